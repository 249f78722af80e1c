import { status } from '../batches/status.js'
import type { StatusReport } from '../batches/status-report.js'
import { UnreachableError } from '../domain/errors.js'
import type { SearchQueue } from '../queue/search-queue.js'
import { answering, runningQueue, type Session } from './session.js'

/** A snapshot of store and queue. If Redis is unreachable, the report is from the store alone. */
export interface Look {
  readonly report: StatusReport
  /** Why Redis could not be read; null if it could, or if the private Redis is not running. */
  readonly trouble: UnreachableError | null
}

/** Keeps the queue open between snapshots; while there is none, tries to open it each time. */
export function lookNow(session: Session): (which: { batchId?: number; limit: number }) => Promise<Look> {
  let queue: SearchQueue | null = null
  return async (which) => {
    const { store, now, settings } = session
    const parts = { store, now, settings }
    let trouble: UnreachableError | null = null
    if (queue === null) ({ queue, trouble } = await runningQueue(session))
    if (queue !== null) {
      try {
        return { report: await answering(queue, status({ ...parts, queue }, which)), trouble: null }
      } catch (error) {
        if (!(error instanceof UnreachableError)) throw error
        trouble = error
      }
    }
    return { report: await status({ ...parts, queue: null, silence: trouble?.message ?? null }, which), trouble }
  }
}

import type { Worker } from 'bullmq'
import type { Logger } from '../domain/logger.js'
import { factsOf } from './error-facts.js'
import type { ActiveJob } from './finish-job.js'
import type { Refusals } from './refusals.js'
import type { RunningWorker } from './search-queue.js'
import { CLOSE_TIMEOUT_MS, settledWithin } from './settled-within.js'
import type { WorkerConnection } from './worker-connection.js'

/**
 * Stops a worker. Calls in flight may be paid for, so active jobs are waited for. A job that outlasts the
 * grace is requeued at the head of the queue, where the claim prevents a second call; its handler continues as
 * long as the process runs.
 */
export interface StoppableWorker extends RunningWorker {
  /** Stops at once and cuts the connections. The stalled check finds the active jobs. */
  abandon(): Promise<void>
}

export function runningWorker(parts: {
  readonly worker: Worker
  readonly connection: WorkerConnection
  readonly activeJobs: Set<ActiveJob>
  readonly requeueLate: (activeJob: ActiveJob) => Promise<void>
  /** Called first, and once: from now on jobs that BullMQ still delivers must be requeued untouched. */
  readonly onStopping: () => void
}): StoppableWorker {
  const { worker, connection, activeJobs, requeueLate, onStopping } = parts
  let stopped: Promise<{ unfinished: number }> | null = null
  let closed = false

  async function stopWithin(graceMs: number): Promise<{ unfinished: number }> {
    onStopping()
    const finished = closeWorker()
    await settledWithin(graceMs, finished)
    if (closed) return { unfinished: 0 }
    const late = [...activeJobs]
    await settledWithin(CLOSE_TIMEOUT_MS, Promise.all(late.map(requeueLate)))
    return { unfinished: late.length }
  }

  async function closeWorker(): Promise<void> {
    await worker.close()
    connection.cut()
    closed = true
  }

  return {
    stop: (graceMs) => {
      stopped ??= stopWithin(graceMs)
      return stopped
    },
    activeJobs: () => activeJobs.size,
    abandon: async () => {
      if (closed) return
      onStopping()
      const finished = closeWorker()
      if (activeJobs.size === 0) await settledWithin(CLOSE_TIMEOUT_MS, finished)
      connection.cut()
    },
  }
}

/** The listeners that every worker needs: without one, an `error` is printed. */
export function listen(worker: Worker, log: Logger, refusals: Pick<Refusals, 'report'>): void {
  worker.on('error', (error: Error) => {
    if (isAbsence(error) || refusals.report(error)) return
    log.warn({ event: 'bullmq.error', problem: error.message, repeats: true }, 'BullMQ reported an error')
  })
  worker.on('lockRenewalFailed', (jobs: string[]) => {
    log.warn(
      { event: 'job.lock_lost', jobs, repeats: true },
      'job locks were lost (Redis away, or this process frozen); the active jobs are still finished',
    )
  })
  worker.on('stalled', (job: string) => {
    log.warn({ event: 'job.stalled', job, repeats: true }, 'a job stalled: its worker died or froze; it is requeued')
  })
}

/** The connection logs outages once, itself. */
export function isAbsence(error: Error): boolean {
  const { code, message } = factsOf(error)
  return /Connection is closed|ECONNREFUSED|ECONNRESET|ENOENT|EPIPE|ETIMEDOUT|Socket timeout/.test(`${message} ${code}`)
}

import type { Worker } from 'bullmq'
import type { Logger } from '../domain/logger.js'
import { factsOf } from './error-facts.js'
import type { ActiveJob } from './finish-job.js'
import type { Refusals } from './refusals.js'
import type { RunningWorker } from './search-queue.js'
import { CLOSE_TIMEOUT_MS, settledWithin } from './settled-within.js'
import type { WorkerConnection } from './worker-connection.js'

/**
 * The end of a worker's life. Calls in flight may be paid for, so those in hand are waited for; what
 * outlasts the grace is given back to the queue's head, where the claim keeps it from being called a
 * second time, and its handler goes on as long as the process does.
 */
export interface StoppableWorker extends RunningWorker {
  /** Ends it now: connections are cut under whatever is still in hand, which the stalled check finds. */
  abandon(): Promise<void>
}

export function runningWorker(parts: {
  readonly worker: Worker
  readonly connection: WorkerConnection
  readonly activeJobs: Set<ActiveJob>
  readonly giveBack: (activeJob: ActiveJob) => Promise<void>
  /** Called once, before anything else: what BullMQ still hands over from now on goes back untouched. */
  readonly onStopping: () => void
}): StoppableWorker {
  const { worker, connection, activeJobs, giveBack, onStopping } = parts
  let stopped: Promise<{ unfinished: number }> | null = null
  let closed = false

  async function stopWithin(graceMs: number): Promise<{ unfinished: number }> {
    onStopping()
    const finished = closing()
    await settledWithin(graceMs, finished)
    if (closed) return { unfinished: 0 }
    const late = [...activeJobs]
    await settledWithin(CLOSE_TIMEOUT_MS, Promise.all(late.map(giveBack)))
    return { unfinished: late.length }
  }

  async function closing(): Promise<void> {
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
      const finished = closing()
      if (activeJobs.size === 0) await settledWithin(CLOSE_TIMEOUT_MS, finished)
      connection.cut()
    },
  }
}

/** Listeners every worker needs: an `error` without one is printed, and lock races are no errors of ours. */
export function listen(worker: Worker, log: Logger, refusals: Pick<Refusals, 'report'>): void {
  worker.on('error', (error: Error) => {
    if (isAbsence(error) || refusals.report(error)) return
    log.warn({ event: 'bullmq.error', problem: error.message, repeats: true }, 'BullMQ reports a problem')
  })
  worker.on('lockRenewalFailed', (jobs: string[]) => {
    log.warn(
      { event: 'job.lock_lost', jobs, repeats: true },
      'locks were lost (Redis away, or this process frozen); what is in hand is finished all the same',
    )
  })
  worker.on('stalled', (job: string) => {
    log.warn({ event: 'job.stalled', job, repeats: true }, 'a job was taken back from a worker that died or froze')
  })
}

/** Reported once per outage by the connection itself. */
export function isAbsence(error: Error): boolean {
  const { code, message } = factsOf(error)
  return /Connection is closed|ECONNREFUSED|ECONNRESET|ENOENT|EPIPE|ETIMEDOUT|Socket timeout/.test(`${message} ${code}`)
}

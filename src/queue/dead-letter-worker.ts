import type { Job } from 'bullmq'
import type { Logger } from '../domain/logger.js'
import { parseJobId, type SearchRef } from '../domain/search-id.js'
import { parkingReason } from './dead-letter-jobs.js'
import type { ActiveJob } from './finish-job.js'
import { PatientWorker } from './patient-worker.js'
import type { Refusals } from './refusals.js'
import { listen, runningWorker, type StoppableWorker } from './running-worker.js'
import type { WorkerConnection } from './worker-connection.js'

/**
 * Parks new dead letters, that is, fails their jobs on purpose. Retries those for which somebody pressed *Retry* (in
 * Bull Board, or through `job.retry`).
 *
 * How to tell a first run from a retry: BullMQ writes the stack trace in the same script that fails the job, keeps it
 * through every kind of retry (counters may be reset), and never writes one for a crash. So a job with a stack trace
 * was parked before, and runs again only because somebody retried it.
 */
export async function startDeadLetterWorker(
  parts: {
    readonly connection: WorkerConnection
    readonly prefix: string
    readonly log: Logger
    readonly refusals: Pick<Refusals, 'report'>
    readonly lockDurationMs: number
    readonly stalledIntervalMs: number
  },
  handlers: { retry(ref: SearchRef): Promise<void> },
  queueName: string,
): Promise<StoppableWorker> {
  const { log } = parts
  const activeJobs = new Set<ActiveJob>()

  async function process(job: Job, token?: string): Promise<void> {
    const activeJob: ActiveJob = { job, token: token ?? '', requeued: false }
    activeJobs.add(activeJob)
    try {
      const ref = parseJobId(job.id ?? '')
      if (ref === null)
        throw parked('This job was added by hand: only dead letters from the store can be here. Remove this job.')
      if (!wasParked(job)) throw parked(parkingReason(job.data))
      await handlers.retry(ref).catch((error: unknown) => {
        log.error(
          { event: 'dead_letter.retry_failed', err: error, job: job.id, repeats: true },
          'a dead letter could not be retried',
        )
        throw parked(`The retry failed: ${error instanceof Error ? error.message : String(error)} · Press Retry again.`)
      })
    } finally {
      activeJobs.delete(activeJob)
    }
  }

  const worker = new PatientWorker(queueName, process, {
    connection: parts.connection.redis,
    prefix: parts.prefix,
    concurrency: 5,
    lockDuration: parts.lockDurationMs,
    stalledInterval: parts.stalledIntervalMs,
    maxStalledCount: 5,
    drainDelay: 2,
    runRetryDelay: 1000,
  })
  listen(worker, log, parts.refusals)
  await worker.waitUntilReady()
  return runningWorker({
    worker,
    connection: parts.connection,
    activeJobs,
    requeueLate: async () => {},
    onStopping: () => {},
  })
}

function wasParked(job: Job): boolean {
  return (job.stacktrace ?? []).length > 0
}

/** Bull Board shows the stack: people need the reason there, not line numbers. */
function parked(reason: string): Error {
  const error = new Error(reason)
  error.stack = reason
  return error
}

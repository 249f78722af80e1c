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
 * Parks new letters and sends back those for which somebody pressed *Retry* (in Bull Board, or through
 * `job.retry`).
 *
 * How a first run is told from a later one: BullMQ writes the stack trace in the same script that fails
 * the job, keeps it through every kind of retry (counters may be reset), and never writes one for a crash.
 * So a job with a stack trace has been parked, and if it runs, somebody wanted it to.
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
      if (ref === null) throw parked('This job was added by hand; dead letters come from the store alone. Remove it.')
      if (!wasParked(job)) throw parked(parkingReason(job.data))
      await handlers.retry(ref).catch((error: unknown) => {
        log.error(
          { event: 'dead_letter.retry_failed', err: error, job: job.id, repeats: true },
          'a dead letter could not be retried',
        )
        throw parked(
          `The retry did not work: ${error instanceof Error ? error.message : String(error)} · Press Retry again.`,
        )
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
    giveBack: async () => {},
    onStopping: () => {},
  })
}

function wasParked(job: Job): boolean {
  return (job.stacktrace ?? []).length > 0
}

/** The stack is for people, who need the reason and no line numbers. */
function parked(reason: string): Error {
  const error = new Error(reason)
  error.stack = reason
  return error
}

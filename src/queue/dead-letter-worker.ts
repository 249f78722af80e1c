import type { Job } from 'bullmq'
import type { DeadLetter } from '../domain/dead-letter.js'
import type { Logger } from '../domain/logger.js'
import { parseJobId } from '../domain/search-id.js'
import type { DeadLetterWorkOptions } from './dead-letter-jobs.js'
import type { ActiveJob } from './finish-job.js'
import type { WorkerConnection } from './redis-client.js'
import type { RefusedCommands } from './refused-commands.js'
import {
  type AbandonableWorker,
  logWorkerEvents,
  openBackoffWorker,
  runningWorker,
  WORKER_OPTIONS,
} from './running-worker.js'

/** A job makes no call: it fails at once, or is one change in the store. */
const CONCURRENCY = 5

/** Shown under *Failed*: "403 Forbidden · This feature requires a paid plan · Check the tier …". */
export function failureReason(letter: DeadLetter): string {
  const head = [letter.status, letter.code ?? letter.error].filter((word) => word !== null).join(' ')
  const error = letter.code === null ? null : letter.error
  return [head, error, letter.message, letter.remedy].filter((part) => part !== null && part !== '').join(' · ')
}

/**
 * Fails new jobs. Retries those for which somebody pressed *Retry* (in Bull Board, or through `job.retry`).
 *
 * How to tell a first run from a retry: BullMQ writes the stack trace in the same script that fails the job, keeps it
 * through every kind of retry (counters may be reset), and never writes one for a crash. So a job with a stack trace
 * has failed before, and runs again only because somebody retried it.
 */
export async function startDeadLetterWorker(
  parts: {
    readonly connection: WorkerConnection
    readonly prefix: string
    readonly log: Logger
    readonly refusals: Pick<RefusedCommands, 'report'>
  },
  options: DeadLetterWorkOptions,
  queueName: string,
): Promise<AbandonableWorker> {
  const { log } = parts
  const activeJobs = new Set<ActiveJob>()

  async function process(job: Job, token?: string): Promise<void> {
    const activeJob: ActiveJob = { job, token: token ?? '', requeued: false }
    activeJobs.add(activeJob)
    try {
      const ref = parseJobId(job.id ?? '')
      if (ref === null)
        throw failed('This job was added by hand: only dead letters from the store can be here. Remove this job.')
      if (!failedBefore(job)) throw failed(failureReason(job.data))
      await options.retry(ref).catch((error: unknown) => {
        log.error(
          { event: 'dead_letter.retry_failed', err: error, job: job.id, repeats: true },
          'a dead letter could not be retried',
        )
        throw failed(`The retry failed: ${error instanceof Error ? error.message : String(error)} · Press Retry again.`)
      })
    } finally {
      activeJobs.delete(activeJob)
    }
  }

  const worker = openBackoffWorker(queueName, process, {
    connection: parts.connection.redis,
    prefix: parts.prefix,
    concurrency: CONCURRENCY,
    lockDuration: options.lockDurationMs,
    stalledInterval: options.stalledIntervalMs,
    ...WORKER_OPTIONS,
  })
  logWorkerEvents(worker, log, parts.refusals)
  await worker.waitUntilReady()
  return runningWorker({
    worker,
    connection: parts.connection,
    activeJobs,
  })
}

function failedBefore(job: Job): boolean {
  return (job.stacktrace ?? []).length > 0
}

/** Bull Board shows the stack: people need the reason there, not line numbers. */
function failed(reason: string): Error {
  const error = new Error(reason)
  error.stack = reason
  return error
}

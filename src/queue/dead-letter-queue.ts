import type { Job, JobsOptions, JobType } from 'bullmq'
import type { DeadLetter } from '../domain/dead-letter.js'
import type { Logger } from '../domain/logger.js'
import { deadLetterIdOf, parseJobId, type SearchRef } from '../domain/search-id.js'
import type { LazyQueue } from './bullmq.js'
import type { RunningWorker, Work } from './running-worker.js'
import { dropUnreadableJobs, type JobScope } from './unreadable-jobs.js'

/**
 * The `dead-letters` queue shows the newest dead letters in Bull Board. Each job fails once on purpose, with the
 * reason and the remedy as its error, so that it appears under *Failed* with a *Retry* button.
 */

export interface DeadLetterJobs {
  /** A few hundred at most: BullMQ adds them in one pipeline. */
  add(letters: readonly { readonly ref: SearchRef; readonly letter: DeadLetter }[]): Promise<void>
  /** `failed`: those that are shown. `active`: about to be shown, or retried by somebody. */
  refs(): Promise<{ readonly failed: readonly SearchRef[]; readonly active: readonly SearchRef[] }>
  remove(refs: readonly SearchRef[]): Promise<void>
  /** Drops unreadable jobs; the sync adds their dead letters again. Returns how many. */
  dropUnreadable(where: JobScope): Promise<number>
  /** Runs the dead-letter worker. */
  work(options: DeadLetterWorkOptions): Promise<RunningWorker>
}

export interface DeadLetterWorkOptions {
  readonly lockDurationMs: number
  readonly stalledIntervalMs: number
  /** Called when somebody pressed Retry. The job is removed after it returns. */
  retry(ref: SearchRef): Promise<void>
}

const CHUNK = 500

/** Keeps one stack trace. BullMQ writes it with the failure, so it tells a job that has failed from a new one. */
const JOB_OPTIONS: JobsOptions = { attempts: 1, stackTraceLimit: 1, removeOnComplete: true, removeOnFail: false }

const ACTIVE = ['waiting', 'active', 'delayed', 'prioritized'] as const

export function deadLetterJobs(queue: LazyQueue): Omit<DeadLetterJobs, 'work'> {
  return {
    add: async (letters) => {
      const jobs = letters.map(({ ref, letter }) => ({
        name: 'dead-letter',
        data: letter,
        opts: { ...JOB_OPTIONS, jobId: deadLetterIdOf(ref) },
      }))
      await queue.bull().addBulk(jobs)
    },
    refs: async () => {
      const refsIn = async (states: readonly JobType[]) =>
        (await queue.bull().getRanges([...states], 0, -1)).map(parseJobId).filter((ref) => ref !== null)
      return { active: await refsIn(ACTIVE), failed: await refsIn(['failed']) }
    },
    remove: async (refs) => {
      for (let from = 0; from < refs.length; from += CHUNK) {
        // `remove` returns 0 for a job that is gone already, or active: then its own run decides.
        await Promise.all(
          refs.slice(from, from + CHUNK).map((ref: SearchRef) => queue.bull().remove(deadLetterIdOf(ref))),
        )
      }
    },
    dropUnreadable: async (where) => (await dropUnreadableJobs(queue, where)).length,
  }
}

/** A job makes no call: it fails at once, or is one change in the store. */
const CONCURRENCY = 5

/**
 * Fails new jobs. Retries those for which somebody pressed *Retry* (in Bull Board, or through `job.retry`).
 *
 * How to tell a first run from a retry: BullMQ writes the stack trace in the same script that fails the job, keeps it
 * through every kind of retry (counters may be reset), and never writes one for a crash. So a job with a stack trace
 * has failed before, and runs again only because somebody retried it.
 */
export function deadLetterWork(options: DeadLetterWorkOptions, log: Logger): Work {
  return {
    process: async ({ job }) => {
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
    },
    options: {
      concurrency: CONCURRENCY,
      lockDuration: options.lockDurationMs,
      stalledInterval: options.stalledIntervalMs,
    },
  }
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

/** Shown under *Failed*: "403 Forbidden · This feature requires a paid plan · Check the tier …". */
function failureReason(letter: DeadLetter): string {
  const head = [letter.status, letter.code ?? letter.error].filter((word) => word !== null).join(' ')
  const error = letter.code === null ? null : letter.error
  return [head, error, letter.message, letter.remedy].filter((part) => part !== null && part !== '').join(' · ')
}

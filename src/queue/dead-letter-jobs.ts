import type { JobsOptions, JobType } from 'bullmq'
import type { DeadLetter } from '../domain/dead-letter.js'
import { deadLetterIdOf, parseJobId, type SearchRef } from '../domain/search-id.js'
import type { LazyQueue } from './bullmq.js'
import type { RedisClient } from './redis-client.js'
import type { RunningWorker } from './running-worker.js'
import { dropUnreadableJobs, type JobScope } from './unreadable-jobs.js'

/**
 * The `dead-letters` queue shows the newest dead letters in Bull Board. Each job fails once on purpose, with the
 * reason and the remedy as its error, so that it appears under *Failed* with a *Retry* button.
 */

export interface DeadLetterJobs {
  add(letters: readonly { readonly ref: SearchRef; readonly letter: DeadLetter }[]): Promise<void>
  /** `failed`: those that are shown. `active`: about to be shown, or retried by somebody. */
  refs(): Promise<{ readonly failed: readonly SearchRef[]; readonly active: readonly SearchRef[] }>
  remove(refs: readonly SearchRef[]): Promise<void>
  /** Drops unreadable jobs; the sweep adds their dead letters again. Returns how many. */
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

export function deadLetterJobs(queue: LazyQueue, redis: RedisClient): Omit<DeadLetterJobs, 'work'> {
  return {
    add: async (letters) => {
      for (let from = 0; from < letters.length; from += CHUNK) {
        await queue.bull().addBulk(
          letters.slice(from, from + CHUNK).map(({ ref, letter }) => ({
            name: 'dead-letter',
            data: letter,
            opts: { ...JOB_OPTIONS, jobId: deadLetterIdOf(ref) },
          })),
        )
      }
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
    dropUnreadable: async (where) => (await dropUnreadableJobs(queue, redis, where)).length,
  }
}

import type { JobsOptions, Queue } from 'bullmq'
import type { Redis } from 'ioredis'
import type { DeadLetter } from '../domain/dead-letter.js'
import { deadLetterIdOf, parseJobId, type SearchRef } from '../domain/search-id.js'
import type { DeadLetterJobs } from './search-queue.js'
import { dropUnreadableJobs } from './unreadable-jobs.js'

/**
 * The `dead-letters` queue shows dead letters in Bull Board. Each job fails once on purpose, with the
 * reason and the remedy as its error, so that it appears under *Failed* with a *Retry* button.
 */
const CHUNK = 500

/** Keeps one stack trace. BullMQ writes it with the failure, so it tells a parked job from a new one. */
const JOB_OPTIONS: JobsOptions = { attempts: 1, stackTraceLimit: 1, removeOnComplete: true, removeOnFail: false }

const STATES = ['waiting', 'active', 'delayed', 'prioritized', 'failed'] as const

export function deadLetterJobs(queue: Queue, redis: Redis): Omit<DeadLetterJobs, 'work'> {
  return {
    add: async (letters) => {
      for (let from = 0; from < letters.length; from += CHUNK) {
        await queue.addBulk(
          letters.slice(from, from + CHUNK).map(({ ref, letter }) => ({
            name: 'dead-letter',
            data: letter,
            opts: { ...JOB_OPTIONS, jobId: deadLetterIdOf(ref) },
          })),
        )
      }
    },
    refs: async () => {
      const ids = await queue.getRanges([...STATES], 0, -1)
      return ids.map(parseJobId).filter((ref) => ref !== null)
    },
    remove: async (refs) => {
      for (let from = 0; from < refs.length; from += CHUNK) {
        // `remove` returns 0 for a job that is gone already, or active: then its own run decides.
        await Promise.all(refs.slice(from, from + CHUNK).map((ref: SearchRef) => queue.remove(deadLetterIdOf(ref))))
      }
    },
    count: () => queue.getJobCountByTypes(...STATES),
    dropUnreadable: async (where) => (await dropUnreadableJobs(queue, redis, where)).length,
  }
}

/** Shown under *Failed*: "403 Forbidden · This feature requires a paid plan · Check the tier …". */
export function parkingReason(letter: DeadLetter): string {
  const head = [letter.status, letter.code ?? letter.error].filter((word) => word !== null).join(' ')
  const error = letter.code === null ? null : letter.error
  return [head, error, letter.message, letter.remedy].filter((part) => part !== null && part !== '').join(' · ')
}

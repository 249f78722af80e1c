import type { JobsOptions } from 'bullmq'
import { jobIdOf, parseJobId, type SearchRef } from '../domain/search-id.js'
import type { Priority } from '../domain/states.js'
import type { LazyQueue } from './bullmq.js'
import type { RunningWorker } from './running-worker.js'
import type { WorkOptions } from './search-worker.js'
import { dropJob, dropUnreadableJobs, type JobScope, readJob } from './unreadable-jobs.js'

/** The `search` queue: adds, counts, finds and removes jobs. search-worker.ts processes them. */

/** Display only; the store is authoritative. Defaults are omitted, since Redis keeps 20,000 of these in memory. */
export interface SearchJobData {
  readonly query: string
  readonly limit?: number
  readonly offset?: number
  /** JSON. */
  readonly filters?: string
  readonly batch: string
  /** The user's own id of the first row that wants the search. */
  readonly row?: string
}

export interface QueueCounts {
  readonly waiting: number
  readonly active: number
  readonly delayed: number
  readonly failed: number
}

export interface SearchJobs {
  /**
   * Adds jobs in chunks of 1,000. BullMQ ignores ids that exist, so adding is safe to repeat. A job that waits with a
   * lower priority is moved to the end of the given one.
   */
  add(
    jobs: readonly { readonly ref: SearchRef; readonly priority: Priority; readonly data: SearchJobData }[],
  ): Promise<void>
  counts(): Promise<QueueCounts>
  /**
   * Searches whose jobs are waiting or delayed, the next first. `limit`: the most of each state; default: all. Jobs
   * of unknown origin are left out.
   */
  pending(limit?: number): Promise<readonly SearchRef[]>
  /** The ids of those with a job in Redis that will still run or be moved (waiting, prioritized, delayed, active, failed). */
  present(refs: readonly SearchRef[]): Promise<ReadonlySet<string>>
  /** Removes jobs before they run. Returns the ids of all that are gone: all but the active ones. */
  remove(refs: readonly SearchRef[]): Promise<ReadonlySet<string>>
  /** When the first and the last delayed job are due, epoch ms; null: none is delayed. */
  delays(): Promise<{ readonly first: number; readonly last: number } | null>
  /** Jobs in the failed set, oldest first, for the dead-letter mover. */
  failed(limit: number): Promise<
    readonly {
      readonly ref: SearchRef | null
      readonly jobId: string
      readonly failedReason: string
      readonly stalledTooOften: boolean
    }[]
  >
  removeFailed(jobId: string): Promise<void>
  /** Drops unreadable jobs. `refs`: their searches, where the job id names one. */
  dropUnreadable(where: JobScope): Promise<{ readonly refs: readonly SearchRef[]; readonly dropped: number }>
  /** Starts taking jobs. */
  work(options: WorkOptions): Promise<RunningWorker>
}

const CHUNK = 1000

/** Returning jobs have a better priority than all of these (see search-worker.ts). */
const PRIORITY = { high: 10, normal: 20, low: 30 } as const satisfies Record<Priority, number>

/** BullMQ's reason for a job that crashed its worker too often. */
const STALLED_TOO_OFTEN = /stalled more than allowable limit/

/** For an id in the failed set whose job is gone (evicted, or removed by hand). It must not stay there forever. */
const WITHOUT_CONTENTS = 'the contents of this job are missing; only its id is left'

/**
 * The store counts attempts, so BullMQ's limit only has to be higher. The dead-letter mover works from the failed
 * set, so BullMQ must not remove jobs from it. Redis stores these options once per job: BullMQ's defaults, and what
 * the worker can set, are left out.
 */
const JOB_OPTIONS: JobsOptions = {
  attempts: 1000,
  backoff: { type: 'custom' },
  stackTraceLimit: 0,
}

export function searchJobs(queue: LazyQueue): Omit<SearchJobs, 'work'> {
  return {
    add: async (jobs) => {
      for (const chunk of chunks(jobs)) {
        await queue.bull().addBulk(
          chunk.map(({ ref, priority, data }) => ({
            name: 'search',
            data,
            opts: { ...JOB_OPTIONS, priority: PRIORITY[priority], jobId: jobIdOf(ref) },
          })),
        )
        await raise(queue, chunk)
      }
    },
    counts: async () => {
      const key = queue.key
      const replies = await queue.redis
        .multi()
        .llen(key('wait'))
        .zcard(key('prioritized'))
        .llen(key('active'))
        .zcard(key('delayed'))
        .zcard(key('failed'))
        .exec()
      const [wait = 0, prioritized = 0, active = 0, delayed = 0, failed = 0] = repliesOf(replies).map(Number)
      return { waiting: wait + prioritized, active, delayed, failed }
    },
    pending: async (limit) => {
      const last = limit === undefined ? -1 : limit - 1
      const ids: readonly string[] = await queue.bull().getRanges(['wait', 'prioritized', 'delayed'], 0, last, true)
      return ids.map(parseJobId).filter((ref) => ref !== null)
    },
    present: async (refs) => {
      const found = new Set<string>()
      for (const chunk of chunks(refs)) {
        for (const id of await presentIds(queue, chunk.map(jobIdOf))) found.add(id)
      }
      return found
    },
    remove: async (refs) => {
      const gone = new Set<string>()
      for (const chunk of chunks(refs)) {
        const left = await Promise.all(chunk.map((ref) => queue.bull().remove(jobIdOf(ref))))
        for (const [index, ref] of chunk.entries()) if (left[index] === 1) gone.add(jobIdOf(ref))
      }
      return gone
    },
    delays: async () => {
      const [first, last] = await Promise.all([dueAt(queue, '0'), dueAt(queue, '-1')])
      return first === null || last === null ? null : { first, last }
    },
    failed: async (limit) => {
      if (limit < 1) return []
      const ids = await queue.bull().getRanges(['failed'], 0, limit - 1, true)
      const jobs = await Promise.all(ids.map((id) => readJob(queue, id)))
      return ids.map((jobId, index) => {
        const failedReason = jobs[index]?.failedReason ?? WITHOUT_CONTENTS
        return { ref: parseJobId(jobId), jobId, failedReason, stalledTooOften: STALLED_TOO_OFTEN.test(failedReason) }
      })
    },
    removeFailed: async (jobId) => {
      const job = await readJob(queue, jobId)
      if (job === undefined) await dropJob(queue, jobId)
      // Somebody may have pressed Retry meanwhile: do not remove a job that runs again.
      if (job !== undefined && (await job.isFailed())) await job.remove()
    },
    dropUnreadable: async (where) => {
      const ids = await dropUnreadableJobs(queue, where)
      return { refs: ids.map(parseJobId).filter((ref) => ref !== null), dropped: ids.length }
    },
  }
}

/** When the first or last delayed job is due. BullMQ's score is the due time in ms, times 4096, plus a counter. */
async function dueAt(queue: LazyQueue, place: '0' | '-1'): Promise<number | null> {
  const [, score] = await queue.redis.zrange(queue.key('delayed'), place, place, 'WITHSCORES')
  return score === undefined ? null : Math.floor(Number(score) / 0x1000)
}

/**
 * KEYS: BullMQ's prioritized jobs by score, and its counter. ARGV: prefix of job keys, then pairs of id and priority.
 * A score is the priority times 2^32 plus the counter.
 */
const RAISE = `
for i = 2, #ARGV, 2 do
  local id, priority = ARGV[i], tonumber(ARGV[i + 1])
  local score = tonumber(redis.call('ZSCORE', KEYS[1], id) or 0)
  if score >= (priority + 1) * 0x100000000 and redis.call('EXISTS', ARGV[1] .. id) == 1 then
    local place = redis.call('INCR', KEYS[2]) % 0x100000000
    redis.call('ZADD', KEYS[1], string.format('%.0f', priority * 0x100000000 + place), id)
    redis.call('HSET', ARGV[1] .. id, 'priority', priority)
  end
end
`

/**
 * Like BullMQ's `changePriority`, but only ever moves a job forward. `changePriority` would also move a returning job
 * (active, delayed by a 429, or at the head again) back to the priority of its batch. One script, so that no job
 * returns between check and change.
 */
async function raise(
  queue: LazyQueue,
  jobs: readonly { readonly ref: SearchRef; readonly priority: Priority }[],
): Promise<void> {
  const pairs = jobs.flatMap(({ ref, priority }) => [jobIdOf(ref), PRIORITY[priority]])
  await queue.redis.eval(RAISE, 2, queue.key('prioritized'), queue.key('pc'), queue.key(''), ...pairs)
}

/**
 * Checks membership in lists and sets, not the job's own key: a completed job keeps its key for a while, and an
 * evicting Redis may lose a set and keep the keys. One transaction per chunk, so that a moving job is seen once.
 */
async function presentIds(queue: LazyQueue, ids: readonly string[]): Promise<readonly string[]> {
  const sets = ['prioritized', 'delayed', 'failed'].map((state) => queue.key(state))
  const transaction = queue.redis.multi().lrange(queue.key('wait'), 0, -1).lrange(queue.key('active'), 0, -1)
  for (const id of ids) for (const set of sets) transaction.zscore(set, id)
  const replies = await transaction.exec()
  const [wait, active, ...scores] = repliesOf(replies)
  const listed = new Set([...asIds(wait), ...asIds(active)])
  return ids.filter((id, index) => {
    const at = index * sets.length
    return listed.has(id) || scores.slice(at, at + sets.length).some((score) => score !== null)
  })
}

/** @throws the first error of a command */
function repliesOf(replies: readonly (readonly [Error | null, unknown])[] | null): readonly unknown[] {
  return (replies ?? []).map(([error, reply]) => {
    if (error !== null) throw error
    return reply
  })
}

function asIds(reply: unknown): readonly string[] {
  return Array.isArray(reply) ? reply.map(String) : []
}

function* chunks<Item>(items: readonly Item[]): Generator<readonly Item[]> {
  for (let from = 0; from < items.length; from += CHUNK) yield items.slice(from, from + CHUNK)
}

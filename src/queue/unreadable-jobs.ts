import type { Job } from 'bullmq'
import { LONGEST_RETRY_AFTER_MS } from '../domain/backoff.js'
import { isRecord, parseJson } from '../domain/json.js'
import type { LazyQueue } from './bullmq.js'
import { isWrongType } from './redis-error.js'

/** `active`: only the jobs that workers are processing. */
export type JobScope = 'active' | 'everywhere'

const PAGE = 1000

/** KEYS: the lists, then the sorted sets, then the set of stalled jobs. ARGV: number of lists, prefix of job keys, id. */
const DROP = `
local lists = tonumber(ARGV[1])
local removed = 0
for i = 1, #KEYS - 1 do
  if i <= lists then removed = removed + redis.call('LREM', KEYS[i], 0, ARGV[3])
  else removed = removed + redis.call('ZREM', KEYS[i], ARGV[3]) end
end
if removed == 0 then return 0 end
redis.call('SREM', KEYS[#KEYS], ARGV[3])
redis.call('DEL', ARGV[2] .. ARGV[3], ARGV[2] .. ARGV[3] .. ':lock')
return 1
`

const LISTS = ['active', 'wait'] as const
const SORTED_SETS = ['prioritized', 'delayed', 'failed'] as const

/**
 * Drops jobs that no worker can run: their contents are unreadable, of the wrong type, or gone while their id
 * is still listed. BullMQ would take such a job again and again, and never finish it. The caller requeues the search.
 * @returns the ids of the dropped jobs
 */
export async function dropUnreadableJobs(queue: LazyQueue, where: JobScope): Promise<readonly string[]> {
  const states = where === 'active' ? ['active'] : [...LISTS, ...SORTED_SETS]
  const dropped: string[] = []
  for (const state of states) {
    const ids: readonly string[] = await queue.bull().getRanges([state as 'active'], 0, -1)
    for (let from = 0; from < ids.length; from += PAGE) {
      for (const id of await unreadableAmong(queue, ids.slice(from, from + PAGE))) {
        if (await dropJob(queue, id)) dropped.push(id)
      }
    }
  }
  if (where === 'active') return dropped
  for (const id of await delayedForever(queue)) if (await dropJob(queue, id)) dropped.push(id)
  return dropped
}

/**
 * Jobs delayed for longer than any of ours: at most `LONGEST_RETRY_AFTER_MS`, doubled to allow for clocks that differ. BullMQ's
 * score is the due time in ms, times 4096.
 */
async function delayedForever(queue: LazyQueue): Promise<readonly string[]> {
  const last = (Date.now() + 2 * LONGEST_RETRY_AFTER_MS) * 0x1000
  return queue.redis.zrangebyscore(queue.key('delayed'), last, '+inf')
}

/** Removes the job from every list and set, with its contents and lock. False when it was in none. */
export async function dropJob(queue: LazyQueue, id: string): Promise<boolean> {
  const keys = [...LISTS, ...SORTED_SETS, 'stalled'].map((name) => queue.key(name))
  return Number(await queue.redis.eval(DROP, keys.length, ...keys, LISTS.length, queue.key(''), id)) === 1
}

/** Undefined: the job is gone or unreadable. */
export async function readJob(queue: LazyQueue, id: string): Promise<Job | undefined> {
  try {
    return await queue.bull().getJob(id)
  } catch (error) {
    if (error instanceof SyntaxError || isWrongType(error)) return undefined
    throw error
  }
}

async function unreadableAmong(queue: LazyQueue, ids: readonly string[]): Promise<readonly string[]> {
  const pipeline = queue.redis.pipeline()
  for (const id of ids) pipeline.hmget(queue.key(id), 'name', 'data', 'opts')
  const replies = (await pipeline.exec()) ?? []
  return ids.filter((_, index) => {
    const [error, contents] = replies[index] ?? [null, null]
    if (error !== null && !isWrongType(error)) throw error
    return error !== null || !isReadable(contents)
  })
}

function isReadable(contents: unknown): boolean {
  const [name, data, options]: unknown[] = Array.isArray(contents) ? contents : []
  return typeof name === 'string' && isJsonObject(data) && isJsonObject(options)
}

function isJsonObject(text: unknown): boolean {
  return typeof text === 'string' && isRecord(parseJson(text))
}

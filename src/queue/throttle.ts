import type { Job, Queue } from 'bullmq'
import type { Redis } from 'ioredis'
import type { Clock } from '../domain/clock.js'
import type { Throttle } from './search-queue.js'
import { callsPerMinuteOf, windowFor } from './start-window.js'

/**
 * The gate in BullMQ's own terms, so that every worker obeys it without asking us: the pause flag, the
 * global concurrency, and the rate limiter. A hold is the limiter's counter set out of reach until it
 * expires. BullMQ's own `rateLimit()` lets the last caller win, which would let a 429 that says "1 s"
 * shorten one that says "60 s"; ours only ever extends.
 */
const OUT_OF_REACH = Number.MAX_SAFE_INTEGER

/** KEYS: limiter. ARGV: the counter value of a hold, ms. Neither a longer hold nor a running window of the pace is ever cut short. */
const HOLD = `
local ms = math.max(tonumber(ARGV[2]), redis.call('PTTL', KEYS[1]))
redis.call('SET', KEYS[1], ARGV[1], 'PX', string.format('%.0f', ms))
return ms
`

/** KEYS: limiter. ARGV: the counter value of a hold. Ms left, or -2 where nobody is held. */
const HELD_FOR = `
if tonumber(redis.call('GET', KEYS[1]) or 0) >= tonumber(ARGV[1]) then return redis.call('PTTL', KEYS[1]) end
return -2
`

const LIFT = `
if tonumber(redis.call('GET', KEYS[1]) or 0) >= tonumber(ARGV[1]) then return redis.call('DEL', KEYS[1]) end
return 0
`

/**
 * KEYS: limiter, BullMQ's settings of the queue. ARGV: the counter value of a hold, ms that the record holds for (0: it does not), slack.
 * Redis keeps the limiter's end as a moment of the wall clock: one that is set back by an hour makes it an hour longer.
 * Returns by how many ms it was too long, 0 where it was not; and 1 where that was a hold.
 */
const FOLLOW = `
local held = tonumber(ARGV[2])
local window = tonumber(redis.call('HGET', KEYS[2], 'duration') or 0)
local left = redis.call('PTTL', KEYS[1])
local isHold = tonumber(redis.call('GET', KEYS[1]) or 0) >= tonumber(ARGV[1])
local excess = left - math.max(held, window)
if excess <= tonumber(ARGV[3]) then
  if held > 0 and not isHold then redis.call('SET', KEYS[1], ARGV[1], 'PX', string.format('%.0f', math.max(held, left))) end
  return {0, 0}
end
if held > 0 then redis.call('SET', KEYS[1], ARGV[1], 'PX', string.format('%.0f', held))
elseif isHold then redis.call('DEL', KEYS[1])
else redis.call('PEXPIRE', KEYS[1], string.format('%.0f', window)) end
return {excess, isHold and 1 or 0}
`

/** How much longer than the record's a hold may last: its margin, and the command's way. */
const SLACK_MS = 2000

export function openThrottle(parts: {
  readonly queue: Queue
  readonly redis: Redis
  readonly clock: Clock
  /** Where the pace is kept as it was asked for, since windows round it. */
  readonly rateKey: string
}): Throttle {
  const { queue, redis, clock, rateKey } = parts
  const limiter = queue.toKey('limiter')
  const settings = queue.toKey('meta')
  return {
    pause: () => queue.pause(),
    resume: () => queue.resume(),
    isPaused: () => queue.isPaused(),
    rateLimit: async (until) => {
      const ms = Math.ceil(until - clock.now())
      if (ms > 0) await redis.eval(HOLD, 1, limiter, OUT_OF_REACH, ms)
    },
    rateLimitedUntil: async () => {
      const ms = Number(await redis.eval(HELD_FOR, 1, limiter, OUT_OF_REACH))
      return ms > 0 ? clock.now() + ms : null
    },
    liftRateLimit: async () => {
      const lifted = Number(await redis.eval(LIFT, 1, limiter, OUT_OF_REACH)) === 1
      if (lifted) await bringForward(queue)
      return lifted
    },
    syncRateLimit: async (until) => {
      const held = Math.max(0, Math.ceil((until ?? 0) - clock.now()))
      const reply = await redis.eval(FOLLOW, 2, limiter, settings, OUT_OF_REACH, held, SLACK_MS)
      const [tooLongMs = 0, wasHold = 0] = Array.isArray(reply) ? reply.map(Number) : []
      if (tooLongMs > LONGEST_WINDOW_MS) await bringForward(queue)
      return { tooLongMs, wasStale: wasHold === 1 || tooLongMs > LONGEST_WINDOW_MS }
    },
    setRate: async (callsPerMinute) => {
      const { max, duration } = windowFor(callsPerMinute)
      await redis.set(rateKey, String(callsPerMinute))
      await queue.setGlobalRateLimit(max, duration)
    },
    rate: async () => {
      const [window, asked] = await Promise.all([queue.getGlobalRateLimit(), redis.get(rateKey)])
      if (window === null) return null
      const wanted = Number(asked ?? 0)
      const exact = wanted > 0 && sameWindow(windowFor(wanted), window)
      return { callsPerMinute: exact ? wanted : callsPerMinuteOf(window) }
    },
    startSerial: async () => {
      await queue.setGlobalConcurrency(1)
    },
    stopSerial: async () => {
      await queue.removeGlobalConcurrency()
    },
    isSerial: async () => (await queue.getGlobalConcurrency()) !== null,
  }
}

/** What is too long by more is no window of an earlier pace: the jobs delayed meanwhile wait too long as well. */
const LONGEST_WINDOW_MS = 61_000

/** So many wait at most for the end of a hold: those that were in hand when it began, and retries. */
const MOST_BROUGHT_FORWARD = 1000

async function bringForward(queue: Queue): Promise<void> {
  const delayed: Job[] = await queue.getDelayed(0, MOST_BROUGHT_FORWARD - 1)
  // One that has come by itself meanwhile needs no promotion.
  await Promise.all(delayed.map((job) => job.promote().catch(() => {})))
}

function sameWindow(a: { max: number; duration: number }, b: { max: number; duration: number }): boolean {
  return a.max === b.max && a.duration === b.duration
}

import type { Job, Queue } from 'bullmq'
import type { Redis } from 'ioredis'
import type { Clock } from '../domain/clock.js'
import type { Throttle } from './search-queue.js'
import { callsPerMinuteOf, windowFor } from './start-window.js'

/**
 * The throttle in BullMQ's own terms, which every worker obeys by itself: the pause flag, the global concurrency, and
 * the limiter. A rate limit sets the limiter's counter to an unreachable value until it expires. In BullMQ's
 * own `rateLimit()` the last caller wins, so a 429 with "1 s" would shorten one with "60 s". Ours only ever extends.
 */
const OUT_OF_REACH = Number.MAX_SAFE_INTEGER

/** KEYS: limiter. ARGV: the counter value of a rate limit, ms. Never shortens a longer rate limit or the current window. */
const EXTEND = `
local ms = math.max(tonumber(ARGV[2]), redis.call('PTTL', KEYS[1]))
redis.call('SET', KEYS[1], ARGV[1], 'PX', string.format('%.0f', ms))
return ms
`

/** KEYS: limiter. ARGV: the counter value of a rate limit. Returns ms left; -2: none. */
const TIME_LEFT = `
if tonumber(redis.call('GET', KEYS[1]) or 0) >= tonumber(ARGV[1]) then return redis.call('PTTL', KEYS[1]) end
return -2
`

const LIFT = `
if tonumber(redis.call('GET', KEYS[1]) or 0) >= tonumber(ARGV[1]) then return redis.call('DEL', KEYS[1]) end
return 0
`

/**
 * KEYS: limiter, BullMQ's settings of the queue. ARGV: the counter value of a rate limit, ms left of the store's rate
 * limit (0: none), slack in ms. Redis keeps an expiry as wall-clock time: a clock set back by an hour makes it an hour
 * longer. Returns by how many ms the limiter was too long, or 0; and 1 if that was a rate limit, else 0.
 */
const SYNC = `
local wanted = tonumber(ARGV[2])
local window = tonumber(redis.call('HGET', KEYS[2], 'duration') or 0)
local left = redis.call('PTTL', KEYS[1])
local isLimit = tonumber(redis.call('GET', KEYS[1]) or 0) >= tonumber(ARGV[1])
local excess = left - math.max(wanted, window)
if excess <= tonumber(ARGV[3]) then
  if wanted > 0 and not isLimit then redis.call('SET', KEYS[1], ARGV[1], 'PX', string.format('%.0f', math.max(wanted, left))) end
  return {0, 0}
end
if wanted > 0 then redis.call('SET', KEYS[1], ARGV[1], 'PX', string.format('%.0f', wanted))
elseif isLimit then redis.call('DEL', KEYS[1])
else redis.call('PEXPIRE', KEYS[1], string.format('%.0f', window)) end
return {excess, isLimit and 1 or 0}
`

/** How much longer than the store's rate limit Redis's may last: its margin, and the time of the command. */
const SLACK_MS = 2000

export function openThrottle(parts: {
  readonly queue: Queue
  readonly redis: Redis
  readonly clock: Clock
  /** Keeps the rate as it was set, since windows round it. */
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
      if (ms > 0) await redis.eval(EXTEND, 1, limiter, OUT_OF_REACH, ms)
    },
    rateLimitedUntil: async () => {
      const ms = Number(await redis.eval(TIME_LEFT, 1, limiter, OUT_OF_REACH))
      return ms > 0 ? clock.now() + ms : null
    },
    liftRateLimit: async () => {
      const lifted = Number(await redis.eval(LIFT, 1, limiter, OUT_OF_REACH)) === 1
      if (lifted) await promoteDelayed(queue)
      return lifted
    },
    syncRateLimit: async (until) => {
      const wantedMs = Math.max(0, Math.ceil((until ?? 0) - clock.now()))
      const reply = await redis.eval(SYNC, 2, limiter, settings, OUT_OF_REACH, wantedMs, SLACK_MS)
      const [tooLongMs = 0, wasLimit = 0] = Array.isArray(reply) ? reply.map(Number) : []
      if (tooLongMs > LONGEST_WINDOW_MS) await promoteDelayed(queue)
      return { tooLongMs, wasStale: wasLimit === 1 || tooLongMs > LONGEST_WINDOW_MS }
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

/** Too long by more than this is no window of an earlier rate. Jobs delayed meanwhile wait too long as well. */
const LONGEST_WINDOW_MS = 61_000

/** The most jobs that wait for the end of a rate limit: those that were active when it began, and retries. */
const MOST_PROMOTED = 1000

async function promoteDelayed(queue: Queue): Promise<void> {
  const delayed: Job[] = await queue.getDelayed(0, MOST_PROMOTED - 1)
  // A job that became due meanwhile needs no promotion.
  await Promise.all(delayed.map((job) => job.promote().catch(() => {})))
}

function sameWindow(a: { max: number; duration: number }, b: { max: number; duration: number }): boolean {
  return a.max === b.max && a.duration === b.duration
}

import type { Job } from 'bullmq'
import type { Clock } from '../domain/clock.js'
import type { LazyQueue } from './bullmq.js'

/**
 * The throttle in BullMQ's own terms, which every worker obeys by itself: the pause flag, the global concurrency, and
 * the limiter. A rate limit sets the limiter's counter to an unreachable value until it expires. In BullMQ's
 * own `rateLimit()` the last caller wins, so a 429 with "1 s" would shorten one with "60 s". Ours only ever extends.
 */

/** Pause, rate limit and concurrency, kept in Redis and obeyed by all workers. */
export interface Throttle {
  pause(): Promise<void>
  resume(): Promise<void>
  isPaused(): Promise<boolean>
  /** No job starts before then. Only ever extends a rate limit. */
  rateLimit(until: number): Promise<void>
  /** Null: no rate limit. */
  rateLimitedUntil(): Promise<number | null>
  /** Ends the rate limit, and promotes the jobs that were delayed until its end. False: there was none. */
  liftRateLimit(): Promise<boolean>
  /**
   * Makes the rate limit in Redis match the store's (null: none). Shortens or lifts one that outlasts the store's, shortens
   * a window that is longer than the rate's, and sets a missing one. `tooLongMs`: by how much Redis would have stopped
   * workers too long, or 0. `wasStale`: more than the window of a slower rate that was changed a moment ago.
   */
  syncRateLimit(until: number | null): Promise<{ readonly tooLongMs: number; readonly wasStale: boolean }>
  /** Starts a minute for all workers together (BullMQ's global rate limit). */
  setRate(callsPerMinute: number): Promise<void>
  rate(): Promise<{ readonly callsPerMinute: number } | null>
  /** A probe: one call at a time. */
  startSerial(): Promise<void>
  stopSerial(): Promise<void>
  isSerial(): Promise<boolean>
}

const OUT_OF_REACH = Number.MAX_SAFE_INTEGER

/** KEYS: limiter. ARGV: the counter value of a rate limit, ms. Never shortens a longer rate limit or the current window. */
const EXTEND_RATE_LIMIT = `
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
  readonly queue: LazyQueue
  readonly clock: Clock
  /** Keeps the rate as it was set, since windows round it. */
  readonly rateKey: string
}): Throttle {
  const { queue, clock, rateKey } = parts
  const { redis } = queue
  const limiter = queue.key('limiter')
  const settings = queue.key('meta')
  return {
    pause: () => queue.bull().pause(),
    resume: () => queue.bull().resume(),
    isPaused: () => queue.bull().isPaused(),
    rateLimit: async (until) => {
      const ms = Math.ceil(until - clock.now())
      if (ms > 0) await redis.eval(EXTEND_RATE_LIMIT, 1, limiter, OUT_OF_REACH, ms)
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
      const { max, duration } = rateWindowFor(callsPerMinute)
      await redis.set(rateKey, String(callsPerMinute))
      await queue.bull().setGlobalRateLimit(max, duration)
    },
    rate: async () => {
      const [[max, duration], asked] = await Promise.all([redis.hmget(settings, 'max', 'duration'), redis.get(rateKey)])
      if (!max || !duration) return null
      const window = { max: Number(max), duration: Number(duration) }
      const wanted = Number(asked ?? 0)
      const exact = wanted > 0 && sameWindow(rateWindowFor(wanted), window)
      return { callsPerMinute: exact ? wanted : callsPerMinuteOf(window) }
    },
    startSerial: async () => {
      await queue.bull().setGlobalConcurrency(1)
    },
    stopSerial: async () => {
      await queue.bull().removeGlobalConcurrency()
    },
    isSerial: async () => (await queue.bull().getGlobalConcurrency()) !== null,
  }
}

/** Too long by more than this is no window of an earlier rate. Jobs delayed meanwhile wait too long as well. */
const LONGEST_WINDOW_MS = 61_000

/** The most jobs that wait for the end of a rate limit: those that were active when it began, and retries. */
const MOST_PROMOTED = 1000

async function promoteDelayed(queue: LazyQueue): Promise<void> {
  const delayed: Job[] = await queue.bull().getDelayed(0, MOST_PROMOTED - 1)
  // A job that became due meanwhile needs no promotion.
  await Promise.all(delayed.map((job) => job.promote().catch(() => {})))
}

function sameWindow(a: { max: number; duration: number }, b: { max: number; duration: number }): boolean {
  return a.max === b.max && a.duration === b.duration
}

/**
 * The rate of all workers as BullMQ's global limit. A window of a whole minute would let two minutes' worth of
 * starts through at its border, so windows are short: some 0.6 to 1.2 s with a few starts each, or longer with one.
 *
 * The server counts arrivals, and their delay varies: a call on a new connection arrives some hundred ms late, and a
 * punctual call a minute later would be one too many. So the windows of R starts take a little longer than a minute.
 * The result is 99.5 % of the limit, and no 429 while delays vary by less than some 0.15 s.
 */
export interface RateWindow {
  /** Starts per window. */
  readonly max: number
  /** Length of a window in ms. */
  readonly duration: number
}

const MINUTE_MS = 60_000
/** How much the delay of arrivals may vary within a minute. */
const JITTER_MS = 240
/** How late a window begins: Redis rounds, a worker's timer fires, then it asks Redis. Measured: 2 to 4 ms. */
const LATE_MS = 3
/** A higher rate has more starts a window. With short windows, rounding to milliseconds and late timers would matter. */
const MOST_WINDOWS = 100
const FEWEST_WINDOWS = 50

/** @param callsPerMinute more than 0; fractions are fine */
export function rateWindowFor(callsPerMinute: number): RateWindow {
  if (!(callsPerMinute > 0)) throw new RangeError(`Expected a rate of more than 0, found ${callsPerMinute}`)
  const rate = Math.min(callsPerMinute, FASTEST)
  const fewest = Math.ceil(rate / MOST_WINDOWS)
  const candidates = Math.min(Math.ceil(rate / FEWEST_WINDOWS) - fewest + 1, MOST_TRIED)
  const used = ({ max, duration }: RateWindow): number => max / (duration + LATE_MS)
  return Array.from({ length: candidates }, (_, more) => windowOf(fewest + more, rate)).reduce((best, next) =>
    used(next) > used(best) ? next : best,
  )
}

/** A rate above this, infinity too, counts as this one: no API allows as much. */
const FASTEST = 1e9
const MOST_TRIED = 50

/** If the rate is no multiple of `max`, the remainder is not used: no minute may have more starts than the rate. */
function windowOf(max: number, rate: number): RateWindow {
  const windows = max === 1 ? rate : Math.floor(rate / max)
  // At least a minute in all, also where no window is late.
  const duration = Math.max(Math.ceil(MINUTE_MS / windows), Math.floor((MINUTE_MS + JITTER_MS) / windows) - LATE_MS)
  return { max, duration: Math.min(duration, Number.MAX_SAFE_INTEGER) }
}

/** Starts a minute of a window; never more than the rate it was made for. */
export function callsPerMinuteOf(window: RateWindow): number {
  return (window.max * MINUTE_MS) / window.duration
}

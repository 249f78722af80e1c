/**
 * The rate of all workers as BullMQ's global limit. A window of a whole minute would let two minutes' worth of
 * starts through at its border, so starts are spread: one per 60,000 / R ms. Above 1,200 a minute that is
 * less than the shortest window (50 ms), and windows of 50 ms allow several starts each.
 *
 * The server counts arrivals, and their delay varies: a call on a new connection arrives some hundred ms late, and a
 * punctual call a minute later would be one too many. So R starts take a little longer than a minute. With many
 * starts, timers cause that: each is about 1 ms late. With few starts it is added: 500 ms a minute, less what the
 * timers cause. The result is 99 % of the limit, and no 429.
 */
export interface Window {
  /** Starts per window. */
  readonly max: number
  /** Length of a window in ms. */
  readonly duration: number
}

const SHORTEST_WINDOW_MS = 50
const MINUTE_MS = 60_000
/** How much the delay of arrivals may vary within a minute. */
const JITTER_MS = 500
const LATE_PER_START_MS = 1

/** @param callsPerMinute more than 0; fractions are fine */
export function windowFor(callsPerMinute: number): Window {
  if (!(callsPerMinute > 0)) throw new RangeError(`Expected a rate of more than 0, found ${callsPerMinute}`)
  const spareMs = Math.max(0, JITTER_MS - callsPerMinute * LATE_PER_START_MS)
  const duration = Math.ceil((MINUTE_MS + spareMs) / callsPerMinute)
  if (duration >= SHORTEST_WINDOW_MS) return { max: 1, duration: Math.min(duration, Number.MAX_SAFE_INTEGER) }
  const max = Math.floor((callsPerMinute * SHORTEST_WINDOW_MS) / MINUTE_MS)
  return { max: Math.max(1, Math.min(max, 1e9)), duration: SHORTEST_WINDOW_MS }
}

/** Starts a minute of a window; never more than the rate it was made for. */
export function callsPerMinuteOf(window: Window): number {
  return (window.max * MINUTE_MS) / window.duration
}

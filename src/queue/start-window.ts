/**
 * The fleet's pace as BullMQ's global limit. A window of a whole minute would let two minutes' worth of
 * starts through at its border, so starts are spread: one per 60,000 / R ms. Above 1,200 a minute that
 * would be less than a timer can hold (50 ms), and windows of 50 ms take over.
 *
 * The server counts arrivals, and they waver: a call on a new connection comes some hundred ms late, and the
 * one a minute after it, in time, would be one too many. So R starts take a little longer than a minute.
 * Timers see to that by themselves where starts are many, each about 1 ms late; where they are few
 * it is added, 500 ms a minute less what the timers give: 99 % of the limit, and no 429.
 */
export interface Window {
  /** Starts per window. */
  readonly max: number
  /** Length of a window in ms. */
  readonly duration: number
}

const SHORTEST_WINDOW_MS = 50
const MINUTE_MS = 60_000
/** What arrivals may waver by, within a minute. */
const WAVER_MS = 500
const LATE_PER_START_MS = 1

/** @param callsPerMinute more than 0; fractions are fine */
export function windowFor(callsPerMinute: number): Window {
  if (!(callsPerMinute > 0)) throw new RangeError(`a pace must be more than 0, got ${callsPerMinute}`)
  const spareMs = Math.max(0, WAVER_MS - callsPerMinute * LATE_PER_START_MS)
  const duration = Math.ceil((MINUTE_MS + spareMs) / callsPerMinute)
  if (duration >= SHORTEST_WINDOW_MS) return { max: 1, duration: Math.min(duration, Number.MAX_SAFE_INTEGER) }
  const max = Math.floor((callsPerMinute * SHORTEST_WINDOW_MS) / MINUTE_MS)
  return { max: Math.max(1, Math.min(max, 1e9)), duration: SHORTEST_WINDOW_MS }
}

/** What a window comes to, in starts a minute; never more than was asked for. */
export function callsPerMinuteOf(window: Window): number {
  return (window.max * MINUTE_MS) / window.duration
}

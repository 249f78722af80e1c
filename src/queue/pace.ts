/**
 * The fleet's pace as BullMQ's global limit. A window of a whole minute would let two minutes' worth of
 * starts through at its border, so starts are spread: one per 60,000 / R ms. Above 1,200 a minute that
 * would be less than a timer can hold (50 ms), and windows of 50 ms take over.
 */
export interface Window {
  /** Starts per window. */
  readonly max: number
  /** Length of a window in ms. */
  readonly duration: number
}

const SHORTEST_WINDOW_MS = 50

/** @param callsPerMinute more than 0; fractions are fine */
export function windowFor(callsPerMinute: number): Window {
  if (!(callsPerMinute > 0)) throw new RangeError(`a pace must be more than 0, got ${callsPerMinute}`)
  const duration = Math.ceil(60_000 / callsPerMinute)
  if (duration >= SHORTEST_WINDOW_MS) return { max: 1, duration: Math.min(duration, Number.MAX_SAFE_INTEGER) }
  const max = Math.floor((callsPerMinute * SHORTEST_WINDOW_MS) / 60_000)
  return { max: Math.max(1, Math.min(max, 1e9)), duration: SHORTEST_WINDOW_MS }
}

/** What a window comes to, in starts a minute; never more than was asked for. */
export function callsPerMinuteOf(window: Window): number {
  return (window.max * 60_000) / window.duration
}

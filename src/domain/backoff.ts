/** When to retry. Pure: jitter is passed in as a number. */

export interface BackoffRule {
  readonly baseMs: number
  readonly maxMs: number
}

/** The longest Retry-After we accept: an absurd value must not delay a search for a year. */
export const LONGEST_RETRY_AFTER_MS = 24 * 60 * 60 * 1000
/** A rate limit that lasts so long is notified and entered in the timeline. */
export const LONG_RATE_LIMIT_MS = 15 * 60_000
/** The API document's fallback where a 429 carries no readable Retry-After. */
export const DEFAULT_RATE_LIMIT_WAIT_MS = 60_000
/** A Retry-After of zero, or a past date, means "now". Wait this long anyway, to spare the server. */
export const SHORTEST_WAIT_MS = 1000

/**
 * Exponential with full jitter, capped.
 * @param failure which failed attempt this was, from 1
 * @param random from 0 up to, not including, 1
 * @returns milliseconds, at least 1
 */
export function backoffMs(failure: number, rule: BackoffRule, random: number): number {
  const ceiling = Math.min(rule.maxMs, rule.baseMs * 2 ** Math.min(failure - 1, 30))
  return Math.max(1, Math.round(ceiling * random))
}

/** The server's Retry-After, limited to `SHORTEST_WAIT_MS` … `LONGEST_RETRY_AFTER_MS`. */
export function serverWaitMs(retryAfterMs: number): number {
  return Math.min(LONGEST_RETRY_AFTER_MS, Math.max(SHORTEST_WAIT_MS, Math.ceil(retryAfterMs)))
}

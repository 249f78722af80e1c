import { parseHttpDate } from './http-date.js'

/**
 * Parses `Retry-After` strictly (RFC 9110, 10.2.3): whole seconds, or a date. A date is measured against the
 * server's own `Date` if there is one, so that a wrong local clock does not shorten the wait. An invalid
 * value is null, never a guess. An absurdly large one is returned unchanged: `serverWaitMs` limits it.
 *
 * @param now epoch milliseconds, used when the response has no valid `Date`
 * @returns milliseconds from now, 0 for a past date; null when missing or invalid
 */
export function parseRetryAfter(value: string | null, dateHeader: string | null, now: number): number | null {
  const text = value?.trim() ?? ''
  if (/^\d+$/.test(text)) return Math.min(Number(text) * 1000, Number.MAX_SAFE_INTEGER)
  const until = parseHttpDate(text)
  if (until === null) return null
  return Math.max(0, until - (parseHttpDate(dateHeader?.trim() ?? '') ?? now))
}

import { parseHttpDate } from './http-date.js'

/**
 * `Retry-After`, strictly read (RFC 9110, 10.2.3): whole seconds, or a date. A date is measured against
 * the server's own `Date` where there is one, so that a wrong clock here does not shorten the wait.
 * What cannot be read is null and never a guess; an absurd number is returned as it stands, because
 * what to believe is the domain's business (`serverWaitMs`).
 *
 * @param now epoch milliseconds, used where the response has no readable `Date`
 * @returns milliseconds from now, 0 for a moment that has passed; null when missing or unreadable
 */
export function parseRetryAfter(value: string | null, dateHeader: string | null, now: number): number | null {
  const text = value?.trim() ?? ''
  if (/^\d+$/.test(text)) return Math.min(Number(text) * 1000, Number.MAX_SAFE_INTEGER)
  const until = parseHttpDate(text)
  if (until === null) return null
  return Math.max(0, until - (parseHttpDate(dateHeader?.trim() ?? '') ?? now))
}

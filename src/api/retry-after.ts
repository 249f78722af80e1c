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

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
const IMF = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), (\d{2}) ([A-Z][a-z]{2}) (\d{4}) (\d{2}):(\d{2}):(\d{2}) GMT$/
const RFC_850 =
  /^(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, (\d{2})-([A-Z][a-z]{2})-(\d{2}) (\d{2}):(\d{2}):(\d{2}) GMT$/
const ASCTIME = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) ([A-Z][a-z]{2}) ([ \d]\d) (\d{2}):(\d{2}):(\d{2}) (\d{4})$/

/**
 * Parses the three HTTP date formats (RFC 9110, 5.6.7) and, unlike `Date.parse`, nothing else.
 * @returns epoch milliseconds; null for anything else
 */
function parseHttpDate(text: string): number | null {
  const imf = IMF.exec(text)
  if (imf !== null) return instant(imf[3], imf[2], imf[1], imf.slice(4))
  const short = RFC_850.exec(text)
  if (short !== null) return instant(century(short[3]), short[2], short[1], short.slice(4))
  const asctime = ASCTIME.exec(text)
  if (asctime !== null) return instant(asctime[6], asctime[1], asctime[2], asctime.slice(3, 6))
  return null
}

/** Two-digit years: 70 to 99 are 19xx, the rest 20xx. */
function century(twoDigits: string | undefined): string {
  return Number(twoDigits) >= 70 ? `19${twoDigits}` : `20${twoDigits}`
}

function instant(
  year: string | undefined,
  month: string | undefined,
  day: string | undefined,
  time: readonly string[],
): number | null {
  const monthIndex = MONTHS.indexOf(month ?? '')
  const [hours, minutes, seconds] = time.map(Number)
  if (monthIndex < 0 || hours === undefined || minutes === undefined || seconds === undefined) return null
  if (hours > 23 || minutes > 59 || seconds > 60) return null
  const at = Date.UTC(Number(year), monthIndex, Number(day), hours, minutes, seconds)
  const isThatDay = new Date(Date.UTC(Number(year), monthIndex, Number(day))).getUTCDate() === Number(day)
  return isThatDay ? at : null
}

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
const MONTH = '(?<month>[A-Z][a-z]{2})'
const TIME = String.raw`(?<time>\d{2}:\d{2}:\d{2})`
/** RFC 9110, 5.6.7: IMF-fixdate, RFC 850, asctime. */
const FORMATS = [
  String.raw`(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), (?<day>\d{2}) ${MONTH} (?<year>\d{4}) ${TIME} GMT`,
  String.raw`(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, (?<day>\d{2})-${MONTH}-(?<year>\d{2}) ${TIME} GMT`,
  String.raw`(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) ${MONTH} (?<day>[ \d]\d) ${TIME} (?<year>\d{4})`,
].map((format) => new RegExp(`^${format}$`))

/**
 * Parses the three HTTP date formats and, unlike `Date.parse`, nothing else.
 * @returns epoch milliseconds; null for anything else
 */
function parseHttpDate(text: string): number | null {
  const found = FORMATS.map((format) => format.exec(text)).find((match) => match !== null)
  const { year = '', month = '', day, time = '' } = found?.groups ?? {}
  const monthIndex = MONTHS.indexOf(month)
  const [hours = 0, minutes = 0, seconds = 0] = time.split(':').map(Number)
  if (monthIndex < 0 || hours > 23 || minutes > 59 || seconds > 60) return null
  const midnight = Date.UTC(fullYear(year), monthIndex, Number(day))
  const isThatDay = new Date(midnight).getUTCDate() === Number(day)
  return isThatDay ? midnight + ((hours * 60 + minutes) * 60 + seconds) * 1000 : null
}

/** Two-digit years: 70 to 99 are 19xx, the rest 20xx. */
function fullYear(year: string): number {
  if (year.length > 2) return Number(year)
  return Number(year) + (Number(year) >= 70 ? 1900 : 2000)
}

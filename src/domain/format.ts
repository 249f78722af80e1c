/** Numbers, durations, times and tables as text. */

/** 12345 → "12,345". Not with `Intl`, whose first use takes longer than printing the help. */
export function formatNumber(count: number): string {
  return String(count).replace(/(?<!\.\d*)\B(?=(\d{3})+(?!\d))/g, ',')
}

/** "1 row", "12,345 rows"; irregular plurals are passed as `many`. */
export function pluralize(count: number, one: string, many = `${one}${/(s|x|ch|sh)$/.test(one) ? 'es' : 's'}`): string {
  return `${formatNumber(count)} ${count === 1 ? one : many}`
}

/** Rows by status; see `ROW_STATUSES`. */
export interface RowCounts {
  readonly tagged: number
  readonly noMatch: number
  readonly dead: number
  readonly invalid: number
  readonly withheld?: number
  readonly waiting?: number
  readonly cancelled?: number
}

/** "9,800 of 10,000 rows tagged, 150 without a match, 3 dead": what is zero is left out. */
export function formatRowCounts(rows: number, counts: RowCounts): string {
  const { tagged, noMatch, dead, invalid, withheld = 0, waiting = 0, cancelled = 0 } = counts
  const others = { 'without a match': noMatch, dead, invalid, withheld, waiting, cancelled }
  const parts = Object.entries(others).filter(([, count]) => count > 0)
  return [
    `${formatNumber(tagged)} of ${pluralize(rows, 'row')} tagged`,
    ...parts.map(([name, count]) => `${formatNumber(count)} ${name}`),
  ].join(', ')
}

export function figureOr(count: number | null, unknown = 'unknown'): string {
  return count === null ? unknown : formatNumber(count)
}

/** "3 credits used, in 12 min"; without the time until it is done */
export function formatCost(batch: {
  readonly charged: number
  readonly createdAt: number
  readonly completedAt: number | null
}): string {
  const { charged, createdAt, completedAt } = batch
  const took = completedAt === null ? '' : `, in ${formatDuration(completedAt - createdAt)}`
  return `${pluralize(charged, 'credit')} used${took}`
}

/** "1,234 credits left" */
export function creditsLeft(credits: number | null): string {
  return credits === null ? 'credits left: not known yet' : `${pluralize(credits, 'credit')} left`
}

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS

/** "under a minute", "12 min", "3 h 20 min", "2 days 4 h" */
export function formatDuration(ms: number): string {
  if (ms < MINUTE_MS) return 'under a minute'
  // Round first: 59.9 minutes are "1 h", not "60 min".
  const minutes = Math.round(ms / MINUTE_MS)
  if (minutes < 60) return `${minutes} min`
  const hours = Math.floor(minutes / 60)
  if (hours < 24) return withRest(`${hours} h`, minutes % 60, 'min')
  const all = Math.round(ms / HOUR_MS)
  return withRest(pluralize(Math.floor(all / 24), 'day'), all % 24, 'h')
}

function withRest(whole: string, rest: number, unit: string): string {
  return rest === 0 ? whole : `${whole} ${rest} ${unit}`
}

/** Local time to the minute: "23:41" if today, else "2026-03-01 23:41". */
export function formatTime(at: number, now: number): string {
  const [day, time] = local(at)
  return day === local(now)[0] ? time : `${day} ${time}`
}

/** Local time to the second, with the date if it is at least twelve hours away. */
export function formatClockTime(at: number, now: number): string {
  const text = formatDateTime(at)
  return Math.abs(now - at) < 12 * HOUR_MS ? text.slice(11) : text
}

/** ISO 8601, for documents. */
export function isoOrNull(at: number | null): string | null {
  return at === null ? null : new Date(at).toISOString()
}

/** Local date and time to the second. */
export function formatDateTime(at: number): string {
  const zoneMs = new Date(at).getTimezoneOffset() * MINUTE_MS
  return new Date(at - zoneMs).toISOString().slice(0, 19).replace('T', ' ')
}

function local(at: number): [day: string, time: string] {
  const text = formatDateTime(at)
  return [text.slice(0, 10), text.slice(11, 16)]
}

/** "23:41, in 27 min": when, and how long from now. */
export function formatTimeAndWait(at: number, now: number): string {
  return at - now > 2 * DAY_MS
    ? `${formatTime(at, now)}, in about ${pluralize(Math.round((at - now) / DAY_MS), 'day')}`
    : `${formatTime(at, now)}, in ${formatDuration(Math.max(0, at - now))}`
}

/**
 * Cuts to `length` characters, with an ellipsis. Control characters become spaces, so that no row
 * can control the terminal.
 */
export function truncate(text: string, length: number): string {
  // A value may be megabytes long.
  const head = text.slice(0, 4 * length)
  const characters = [...head.replace(/\p{Cc}+/gu, ' ')]
  const isWhole = head.length === text.length && characters.length <= length
  return isWhole ? characters.join('') : `${characters.slice(0, length - 1).join('')}…`
}

/**
 * Columns as wide as their widest cell, two spaces between; columns in `right` are right-aligned.
 */
export function formatTable(rows: readonly (readonly string[])[], right: readonly number[] = []): string {
  const widths: number[] = []
  for (const row of rows) {
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, [...cell].length)
  }
  return rows.map((row) => line(row, widths, right)).join('\n')
}

function line(row: readonly string[], widths: readonly number[], right: readonly number[]): string {
  const cells = row.map((cell, column) => {
    const gap = ' '.repeat((widths[column] ?? 0) - [...cell].length)
    return right.includes(column) ? gap + cell : cell + gap
  })
  return cells.join('  ').trimEnd()
}

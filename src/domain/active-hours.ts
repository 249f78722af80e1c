/**
 * The hours in which calls may start, such as `22:00-06:00` or `Mon-Fri 20:00-07:00, Sat-Sun`. Pure: the
 * zone's rules come from Intl.
 *
 * Local time counts. If the clock is set forward, a start or end in the skipped hour is the moment of the
 * change. If it is set back, one hour occurs twice: a start in that hour means its second occurrence, an end its
 * first; if both are in it, both mean the first. So calls start only while the clock shows an active time, and
 * each span begins and ends once.
 */
export interface ActiveHours {
  /** As the user wrote them, with single spaces. */
  readonly text: string
  /** Minutes since Monday 00:00, sorted, neither overlapping nor touching. `to` may lie in the next week. */
  readonly spans: readonly Span[]
}

export interface Span {
  readonly from: number
  readonly to: number
}

/** The hours with the IANA name of the zone whose clock counts. */
export interface ZonedHours {
  readonly hours: ActiveHours
  readonly zone: string
}

/** Calls may start from `from` up to, not including, `to`. Epoch milliseconds. */
export interface ActiveWindow {
  readonly from: number
  readonly to: number
}

const DAYS = ['monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday', 'sunday'] as const
const MINUTE_MS = 60_000
const DAY_MINUTES = 24 * 60
const DAY_MS = DAY_MINUTES * MINUTE_MS
const WEEK_MINUTES = 7 * DAY_MINUTES
const WEEK_MS = 7 * DAY_MS

/** Null when it is not valid. Days without times are whole days; times without days hold every day. `always` is valid. */
export function parseActiveHours(text: string): ActiveHours | null {
  if (/^always$/i.test(text.trim())) return { text: 'always', spans: [{ from: 0, to: WEEK_MINUTES }] }
  const spans: Span[] = []
  const parts = text.split(',').map((part) => part.trim().replace(/\s+/g, ' '))
  for (const part of parts) {
    const read = parsePart(part)
    if (read === null) return null
    spans.push(...read)
  }
  return { text: parts.join(', '), spans: mergeSpans(spans) }
}

function parsePart(part: string): readonly Span[] | null {
  const match = /^([a-z]+(?:\s*-\s*[a-z]+)?)?\s*(?:(\d{1,2}:\d\d)\s*-\s*(\d{1,2}:\d\d))?$/i.exec(part)
  if (match === null || part === '') return null
  const [, dayText, fromText, toText] = match
  const days = dayText === undefined ? DAYS.map((_, day) => day) : parseDays(dayText)
  const from = fromText === undefined ? 0 : minutesOf(fromText)
  const to = toText === undefined ? DAY_MINUTES : minutesOf(toText)
  if (days === null || from === null || to === null || from === to || from === DAY_MINUTES) return null
  const length = to > from ? to - from : to + DAY_MINUTES - from
  return days.map((day) => ({ from: day * DAY_MINUTES + from, to: day * DAY_MINUTES + from + length }))
}

function parseDays(text: string): readonly number[] | null {
  const [first = -1, last = first] = text.split('-').map((name) => dayOf(name.trim().toLowerCase()))
  if (first < 0 || last < 0) return null
  return Array.from({ length: ((last - first + 7) % 7) + 1 }, (_, index) => (first + index) % 7)
}

/** Full names or their first three letters; -1: neither. */
function dayOf(name: string): number {
  return DAYS.findIndex((day) => day === name || day.slice(0, 3) === name)
}

function minutesOf(time: string): number | null {
  const [hours = Number.NaN, minutes = Number.NaN] = time.split(':').map(Number)
  const all = hours * 60 + minutes
  return minutes < 60 && all <= DAY_MINUTES ? all : null
}

/** Joins spans that overlap or touch, across the end of the week too. */
function mergeSpans(spans: readonly Span[]): readonly Span[] {
  const merged: Span[] = []
  // Lay out three weeks, so that spans which cross a week's end are complete in the middle week.
  const repeated = [0, 1, 2].flatMap((week) => spans.map((span) => shift(span, week * WEEK_MINUTES)))
  for (const span of repeated.toSorted((a, b) => a.from - b.from)) {
    const last = merged.at(-1)
    if (last === undefined || span.from > last.to) merged.push(span)
    else if (span.to > last.to) merged[merged.length - 1] = { from: last.from, to: span.to }
  }
  if (merged.some(({ from, to }) => to - from >= WEEK_MINUTES)) return [{ from: 0, to: WEEK_MINUTES }]
  return merged
    .filter(({ from }) => from >= WEEK_MINUTES && from < 2 * WEEK_MINUTES)
    .map((span) => shift(span, -WEEK_MINUTES))
}

function shift({ from, to }: Span, minutes: number): Span {
  return { from: from + minutes, to: to + minutes }
}

export function isAlwaysActive({ spans }: ActiveHours): boolean {
  return spans.some(({ from, to }) => to - from >= WEEK_MINUTES)
}

/** Whether each period is one night: shorter than a day, with a midnight in it. */
export function isByNight(text: string): boolean {
  const spans = parseActiveHours(text)?.spans ?? []
  return spans.every(
    ({ from, to }) => to - from < DAY_MINUTES && Math.floor(from / DAY_MINUTES) < Math.floor((to - 1) / DAY_MINUTES),
  )
}

/** The active milliseconds between two instants. */
export function activeMsBetween(hours: ActiveHours, zone: string, from: number, to: number): number {
  if (isAlwaysActive(hours)) return Math.max(0, to - from)
  let sum = 0
  for (const window of windowsAfter(hours, zone, from)) {
    if (window.from >= to) break
    sum += Math.min(window.to, to) - Math.max(window.from, from)
  }
  return sum
}

/** Beyond this many weeks the share of active time is taken as constant. */
const MOST_WEEKS = 520

/** When `ms` active milliseconds have passed since `from`. */
export function afterActiveMs(hours: ActiveHours, zone: string, from: number, ms: number): number {
  if (isAlwaysActive(hours)) return from + ms
  let passed = 0
  for (const window of windowsAfter(hours, zone, from)) {
    const start = Math.max(window.from, from)
    if (passed + window.to - start >= ms) return start + ms - passed
    passed += window.to - start
    if (window.to - from > MOST_WEEKS * WEEK_MS) return from + (window.to - from) * (ms / passed)
  }
  return from + ms
}

/** The windows that end after this instant, without end, in order. The first may contain it. */
export function* windowsAfter(hours: ActiveHours, zone: string, instant: number): Generator<ActiveWindow, void> {
  if (hours.spans.length === 0) return
  const local = instant + offsetAt(zone, instant)
  const day = Math.floor(local / DAY_MS)
  // 1970-01-01 was a Thursday.
  const monday = (day - ((((day + 3) % 7) + 7) % 7)) * DAY_MS
  let last: ActiveWindow | null = null
  for (let week = monday - WEEK_MS; ; week += WEEK_MS) {
    for (const span of hours.spans) {
      const window = windowOf(zone, week + span.from * MINUTE_MS, week + span.to * MINUTE_MS)
      if (window.to <= window.from) continue
      // Where the clock is set forward, two windows may meet.
      if (last !== null && window.from <= last.to) last = { from: last.from, to: Math.max(last.to, window.to) }
      else {
        if (last !== null && last.to > instant) yield last
        last = window
      }
    }
  }
}

/** What the workers keep in the store, so that every claim obeys it to the millisecond. Epoch milliseconds. */
export interface HoursInForce {
  readonly hours: string
  readonly zone: string
  /** No call starts from here; 0: now is outside already. */
  readonly closedFrom: number
  /** Up to here. */
  readonly closedUntil: number
  /** When the active time after that ends: `resume --now` lasts until then. */
  readonly nextEnd: number
}

/** Null: calls may start at any time. */
export function hoursInForce({ hours, zone }: ZonedHours, now: number): HoursInForce | null {
  if (isAlwaysActive(hours)) return null
  const [first, second] = windowsAfter(hours, zone, now)
  if (first === undefined || second === undefined) return null
  const isActive = first.from <= now
  const next = isActive ? second : first
  return { hours: hours.text, zone, closedFrom: isActive ? first.to : 0, closedUntil: next.from, nextEnd: next.to }
}

/** Between the claim and the moment at which the API gets the request: a commit and the way there. */
const LAST_CLAIM_BEFORE_MS = 2000

/** @param overriddenUntil until then `resume --now` lets calls start; null: it does not */
export function isOutsideHours(inForce: HoursInForce, overriddenUntil: number | null, now: number): boolean {
  if (overriddenUntil !== null && now < overriddenUntil - LAST_CLAIM_BEFORE_MS) return false
  return now >= inForce.closedFrom - LAST_CLAIM_BEFORE_MS && now < inForce.closedUntil
}

/** "22:00-06:00, Europe/Berlin" */
export function hoursInWords({ hours, zone }: Pick<HoursInForce, 'hours' | 'zone'>): string {
  return `${hours}, ${zone}`
}

/** One span on the time line. @param from, to local time as milliseconds, as if the zone were UTC */
function windowOf(zone: string, from: number, to: number): ActiveWindow {
  const end = passesOf(zone, to).first
  const { first, second } = passesOf(zone, from)
  return { from: second !== null && second < end ? second : first, to: end }
}

/**
 * When the clock shows a local time. A skipped time counts as the moment of the change. `second`: when the clock
 * shows it again after it was set back. Null for exactly the time to which it is set back, since the first
 * pass through that hour ends at this moment, without a gap.
 */
function passesOf(zone: string, local: number): { readonly first: number; readonly second: number | null } {
  const before = offsetAt(zone, local - DAY_MS)
  const after = offsetAt(zone, local + DAY_MS)
  const [early, late] = [local - before, local - after]
  if (before === after) return { first: early, second: null }
  const change = changeBetween(zone, local - DAY_MS, local + DAY_MS)
  if (early < change) return { first: early, second: late > change ? late : null }
  return { first: Math.max(late, change), second: null }
}

/** The moment of the one change of the offset between these instants, to the second. */
function changeBetween(zone: string, from: number, to: number): number {
  const before = offsetAt(zone, from)
  let [low, high] = [Math.floor(from / 1000), Math.floor(to / 1000)]
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2)
    if (offsetAt(zone, middle * 1000) === before) low = middle
    else high = middle
  }
  return high * 1000
}

const formats = new Map<string, Intl.DateTimeFormat>()

/** Local time minus UTC, ms. */
function offsetAt(zone: string, instant: number): number {
  let format = formats.get(zone)
  if (format === undefined) {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      calendar: 'gregory',
      numberingSystem: 'latn',
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    })
    formats.set(zone, format)
  }
  const parts = new Map(format.formatToParts(instant).map(({ type, value }) => [type, Number(value)]))
  const part = (type: Intl.DateTimeFormatPartTypes) => parts.get(type) ?? 0
  const local = Date.UTC(part('year'), part('month') - 1, part('day'), part('hour'), part('minute'), part('second'))
  return local - Math.floor(instant / 1000) * 1000
}

/** Whether it is an IANA name that this Node knows. Not an offset such as `+05:30`, which TZ reads the other way round. */
export function isTimeZone(name: string): boolean {
  if (!/^[A-Za-z]/.test(name)) return false
  try {
    return new Intl.DateTimeFormat('en-US', { timeZone: name }).resolvedOptions().timeZone !== ''
  } catch {
    return false
  }
}

/**
 * The IANA name of the system's zone. Null: it has none, so local times cannot be read.
 * @param tz the variable TZ. Node takes what it does not know (`europe/berlin`, `CET-1CEST`) for UTC
 */
export function systemTimeZone(tz = ''): string | null {
  const { timeZone = '' } = new Intl.DateTimeFormat().resolvedOptions() as { readonly timeZone?: string }
  const isNamed = tz !== '' && !/^:?\//.test(tz)
  if (isNamed && !isTimeZone(tz.replace(/^:/, ''))) return null
  if (isTimeZone(timeZone)) return timeZone
  return !isNamed && new Date().getTimezoneOffset() === 0 ? 'UTC' : null
}

/** What to say where `systemTimeZone` is null; ends without a full stop. */
export function unnamedZone(tz = ''): string {
  return `the system's time zone has no name such as Europe/Berlin (TZ is ${JSON.stringify(tz)}). Set TRACKYARD_TIME_ZONE`
}

const LOCAL_TIME = /^(?:(\d{4}-\d\d-\d\d)[ T])?(\d{1,2}):(\d\d)$/
const INSTANT = /^(\d{4}-\d\d-\d\d)T.*(?:Z|[+-]\d\d:\d\d)$/

/** Whether it is written with its offset from UTC, so that `parseMoment` needs no zone. */
export function isInstant(text: string): boolean {
  return INSTANT.test(text.trim())
}

/**
 * "07:00" is the next time that the clock of the zone shows it after `after`, "2026-03-01 07:00" that day's; an ISO 8601
 * instant with its offset is itself. Null when it is not valid.
 */
export function parseMoment(text: string, zone: string, after: number): number | null {
  const written = text.trim()
  const [, day] = INSTANT.exec(written) ?? []
  if (day !== undefined) return midnightOf(day) === null ? null : Date.parse(written) || null
  const [, date, hour, minute] = LOCAL_TIME.exec(written) ?? []
  const [hours, minutes] = [Number(hour ?? 24), Number(minute)]
  if (hours > 23 || minutes > 59) return null
  const time = (hours * 60 + minutes) * MINUTE_MS
  if (date !== undefined) {
    const midnight = midnightOf(date)
    return midnight === null ? null : passesOf(zone, midnight + time).first
  }
  const today = Math.floor((after + offsetAt(zone, after)) / DAY_MS) * DAY_MS
  for (const date of [today, today + DAY_MS]) {
    const { first } = passesOf(zone, date + time)
    if (first > after) return first
  }
  return null
}

/** In UTC. Null: there is no such day; `Date.parse` takes 30 February for 2 March. */
function midnightOf(date: string): number | null {
  const midnight = Date.parse(date)
  return !Number.isNaN(midnight) && new Date(midnight).toISOString().startsWith(date) ? midnight : null
}

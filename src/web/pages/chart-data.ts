import {
  type Activity,
  ENDED_OUTCOMES,
  type EndedOutcome,
  type Sample,
  type Stop,
  type StopCause,
} from '../../store/activity.js'

/** What the charts show, from samples: rates between two samples, and spans in which calls were stopped. */

export const RANGES = ['hour', 'night', 'week'] as const
export type Range = (typeof RANGES)[number]

export interface ChartWindow {
  /** Epoch milliseconds, on a minute. */
  readonly from: number
  readonly to: number
  /** Until when there are figures: now, or the end of a batch. */
  readonly end: number
  /** Width of a bucket. */
  readonly everyMinutes: number
}

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS

/** The chart's groups of outcomes, from the bottom to the top of a bar. */
export const CALL_GROUPS = ['answered', 'refused', 'failed', 'rate_limited'] as const
export type CallGroup = (typeof CALL_GROUPS)[number]
type Calls = Readonly<Record<CallGroup, number>>

export interface Bucket {
  /** Epoch milliseconds. */
  readonly from: number
  readonly to: number
  /** Calls a minute that ended. */
  readonly perMinute: Calls
}

export interface Span {
  readonly from: number
  readonly to: number
  readonly cause: StopCause
}

/** A cause that stopped calls, and for how long in all. */
export interface StopTime {
  readonly cause: StopCause
  readonly ms: number
}

export interface Reading {
  readonly at: number
  readonly value: number
}

export interface ChartData {
  readonly window: ChartWindow
  readonly buckets: readonly Bucket[]
  /** Calls a minute on average, since the first sample. */
  readonly mean: Calls
  readonly limit: readonly Reading[]
  /** Credits left; of a batch, credits charged. */
  readonly credits: readonly Reading[]
  readonly rowsDone: readonly Reading[]
  readonly isOfBatch: boolean
  /** The latest number of rows. */
  readonly rows: number
  readonly spans: readonly Span[]
  /** The longest first. */
  readonly stops: readonly StopTime[]
}

/** A batch begins with nothing done. These are its figures now, or at its end. */
export interface ChartedBatch {
  /** Epoch milliseconds. */
  readonly from: number
  readonly rows: number
  readonly rowsDone: number
  readonly charged: number
}

export function chartWindowOf(range: Range, now: number): ChartWindow {
  switch (range) {
    case 'hour':
      return windowBefore(now, HOUR_MS, 1)
    case 'night':
      return windowBefore(now, 12 * HOUR_MS, 5)
    case 'week':
      return windowBefore(now, 7 * 24 * HOUR_MS, 60)
    default:
      return range satisfies never
  }
}

/** Begins and ends at the border of a bucket. */
function windowBefore(now: number, lengthMs: number, everyMinutes: number): ChartWindow {
  const width = everyMinutes * MINUTE_MS
  const to = Math.ceil((now + 1) / width) * width
  return { from: to - lengthMs, to, end: now, everyMinutes }
}

/** At most this many buckets, in widths that people read easily. */
const MOST_BUCKETS = 180
const WIDTHS = [1, 5, 15, 60, 180, 720, 1440]

/** For a batch: from its start to its end, in whole minutes. */
export function chartWindowBetween(from: number, end: number): ChartWindow {
  const start = Math.floor(from / MINUTE_MS)
  const minutes = Math.max(1, Math.ceil(end / MINUTE_MS) - start)
  const everyMinutes = WIDTHS.find((width) => minutes / width <= MOST_BUCKETS) ?? Math.ceil(minutes / MOST_BUCKETS)
  return { from: start * MINUTE_MS, to: (start + minutes) * MINUTE_MS, end, everyMinutes }
}

/** @param batch its own rows and credits are shown. Null: those of the account */
export function chartData(
  { samples, stops }: Activity,
  window: ChartWindow,
  batch: ChartedBatch | null = null,
): ChartData {
  const within = samples.filter((sample) => endOf(sample) > window.from && startOf(sample) < window.to)
  const spans = spansOf(stops, window)
  return {
    window,
    ...callsOf(samples, window),
    limit: within.flatMap((sample) => readingAt(startOf(sample), sample.limitPerMinute)),
    ...(batch === null ? accountReadings(samples, window) : batchReadings(within, window, batch)),
    isOfBatch: batch !== null,
    rows: batch?.rows ?? samples.at(-1)?.rows ?? 0,
    spans,
    stops: stopTimesOf(spans),
  }
}

/** Counters are as they were at the end of the minute of their sample. */
function callsOf(samples: readonly Sample[], window: ChartWindow): Pick<ChartData, 'buckets' | 'mean'> {
  const [first, last] = [samples[0], samples.at(-1)]
  if (first === undefined || last === undefined) return { buckets: [], mean: NO_CALLS }
  const minutesWithin = (from: number, to: number) =>
    Math.max(1, (Math.min(to, endOf(last)) - Math.max(from, endOf(first))) / MINUTE_MS)
  const calls = callsByBucket(samples, window)
  return {
    buckets: [...calls].map(([at, ended]) => {
      const from = Math.max(at, window.from)
      const to = Math.min(at + window.everyMinutes * MINUTE_MS, window.to)
      return { from, to, perMinute: dividedBy(minutesWithin(from, to), ended) }
    }),
    mean: dividedBy(minutesWithin(window.from, window.to), [...calls.values()].reduce(sumOf, NO_CALLS)),
  }
}

/**
 * By the beginning of the bucket. Without a worker there is no sample; calls from before such a gap were made at its
 * beginning.
 */
function callsByBucket(samples: readonly Sample[], window: ChartWindow): ReadonlyMap<number, Calls> {
  const width = window.everyMinutes
  const bucket = (minute: number) => Math.floor(minute / width) * width
  const calls = new Map<number, Calls>()
  for (const [index, sample] of samples.entries()) {
    const before = samples[index - 1]
    if (before === undefined) continue
    const isGap = bucket(sample.minute) - bucket(before.minute) > width
    const at = bucket(isGap ? before.minute + 1 : sample.minute) * MINUTE_MS
    if (at + width * MINUTE_MS <= window.from || at >= window.to) continue
    calls.set(at, sumOf(calls.get(at) ?? NO_CALLS, callsBetween(before, sample)))
  }
  return calls
}

const NO_CALLS: Calls = { answered: 0, refused: 0, failed: 0, rate_limited: 0 }

function callsBetween(before: Sample, sample: Sample): Calls {
  const calls = { ...NO_CALLS }
  for (const outcome of ENDED_OUTCOMES)
    calls[groupOf(outcome)] += Math.max(0, sample.calls[outcome] - before.calls[outcome])
  return calls
}

function sumOf(a: Calls, b: Calls): Calls {
  const sum = { ...NO_CALLS }
  for (const group of CALL_GROUPS) sum[group] = a[group] + b[group]
  return sum
}

function dividedBy(minutes: number, calls: Calls): Calls {
  const rate = { ...NO_CALLS }
  for (const group of CALL_GROUPS) rate[group] = calls[group] / minutes
  return rate
}

function groupOf(outcome: EndedOutcome): CallGroup {
  switch (outcome) {
    case 'answered':
      return 'answered'
    case 'rate_limited':
      return 'rate_limited'
    case 'transient':
    case 'unknown':
      return 'failed'
    case 'refused':
    case 'unauthorized':
    case 'unreadable':
    case 'out_of_credits':
      return 'refused'
    default:
      return outcome satisfies never
  }
}

function startOf(sample: Sample): number {
  return sample.minute * MINUTE_MS
}

function endOf(sample: Sample): number {
  return (sample.minute + 1) * MINUTE_MS
}

type Readings = Pick<ChartData, 'credits' | 'rowsDone'>

function accountReadings(samples: readonly Sample[], { from, end }: ChartWindow): Readings {
  const at = (sample: Sample) => Math.min(Math.max(endOf(sample), from), end)
  return {
    credits: samples.flatMap((sample) => readingAt(at(sample), sample.credits)),
    rowsDone: samples.flatMap((sample) => readingAt(at(sample), sample.rowsDone)),
  }
}

function batchReadings(within: readonly Sample[], { end }: ChartWindow, batch: ChartedBatch): Readings {
  if (within.length === 0) return { credits: [], rowsDone: [] }
  const before = within.filter((sample) => endOf(sample) > batch.from && endOf(sample) < end)
  const readings = (read: (figures: NonNullable<Sample['batch']>) => number, last: number) => [
    { at: batch.from, value: 0 },
    ...before.flatMap((sample) => readingAt(endOf(sample), sample.batch === null ? null : read(sample.batch))),
    { at: end, value: last },
  ]
  return {
    credits: readings(({ charged }) => charged, batch.charged),
    rowsDone: readings(({ rowsDone }) => rowsDone, batch.rowsDone),
  }
}

function readingAt(at: number, value: number | null): Reading[] {
  return value === null ? [] : [{ at, value }]
}

function spansOf(stops: readonly Stop[], window: ChartWindow): Span[] {
  const spans: Span[] = []
  for (const { cause, minute, minutes } of stops) {
    const from = Math.max(minute * MINUTE_MS, window.from)
    const to = Math.min((minute + minutes) * MINUTE_MS, window.to)
    if (from >= to) continue
    const last = spans.findLastIndex((span) => span.cause === cause)
    const before = spans[last]
    if (before?.to === from) spans[last] = { ...before, to }
    else spans.push({ from, to, cause })
  }
  return spans
}

function stopTimesOf(spans: readonly Span[]): StopTime[] {
  const times = new Map<StopCause, number>()
  for (const { cause, from, to } of spans) times.set(cause, (times.get(cause) ?? 0) + to - from)
  return [...times].map(([cause, ms]) => ({ cause, ms })).toSorted((a, b) => b.ms - a.ms)
}

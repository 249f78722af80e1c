import { ENDED_OUTCOMES, type EndedOutcome, type Sample, type StopCause } from '../../store/activity.js'

/** What the charts show, from samples: rates between two samples, and spans in which calls were stopped. */

export const RANGES = ['hour', 'night', 'week'] as const
export type Range = (typeof RANGES)[number]

export interface ChartWindow {
  /** Epoch milliseconds. */
  readonly from: number
  readonly to: number
  /** Width of a bucket. */
  readonly everyMinutes: number
}

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS

/** The chart's groups of outcomes, from the bottom to the top of a bar. */
export const CALL_GROUPS = ['answered', 'refused', 'failed', 'rate_limited'] as const
export type CallGroup = (typeof CALL_GROUPS)[number]

export interface Bucket {
  /** Epoch milliseconds. */
  readonly at: number
  /** Calls a minute that ended. */
  readonly perMinute: Readonly<Record<CallGroup, number>>
}

export interface Span {
  readonly from: number
  readonly to: number
  readonly cause: StopCause
}

export interface Reading {
  readonly at: number
  readonly value: number
}

export interface ChartData {
  readonly window: ChartWindow
  readonly buckets: readonly Bucket[]
  readonly limit: readonly Reading[]
  /** Credits left; of a batch, credits charged. */
  readonly credits: readonly Reading[]
  readonly rowsDone: readonly Reading[]
  readonly isOfBatch: boolean
  /** The latest number of rows. */
  readonly rows: number
  readonly spans: readonly Span[]
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
  return { from: to - lengthMs, to, everyMinutes }
}

/** At most this many buckets, in widths that people read easily. */
const MOST_BUCKETS = 180
const WIDTHS = [1, 5, 15, 60, 180, 720, 1440]

/** For a batch: from its start to its end. */
export function chartWindowBetween(from: number, to: number): ChartWindow {
  const minutes = Math.max(4, Math.ceil((to - from) / MINUTE_MS) + 1)
  const everyMinutes = WIDTHS.find((width) => minutes / width <= MOST_BUCKETS) ?? Math.ceil(minutes / MOST_BUCKETS)
  const width = everyMinutes * MINUTE_MS
  const start = Math.floor(from / width) * width
  return {
    from: start,
    to: start + Math.ceil(minutes / everyMinutes) * width + (start === from ? 0 : width),
    everyMinutes,
  }
}

/**
 * @param samples oldest first, the last one before the window included, at most one per bucket
 * @param batchRows the rows of a batch: its own rows and credits are shown. Null: those of the account
 */
export function chartData(samples: readonly Sample[], window: ChartWindow, batchRows: number | null = null): ChartData {
  const isOfBatch = batchRows !== null
  const within = samples.filter((sample) => endOf(sample) > window.from && startOf(sample) < window.to)
  return {
    window,
    buckets: samples.flatMap((sample, index) => bucketOf(samples[index - 1], sample, window)),
    limit: readings(within, (sample) => sample.limitPerMinute),
    credits: readings(within, ({ batch, credits }) => (isOfBatch ? (batch?.charged ?? null) : credits)),
    rowsDone: readings(within, ({ batch, rowsDone }) => (isOfBatch ? (batch?.rowsDone ?? null) : rowsDone)),
    isOfBatch,
    rows: batchRows ?? within.at(-1)?.rows ?? 0,
    spans: spansOf(within, window),
  }
}

/**
 * Calls between two samples. Without a worker there is no sample; calls from before such a gap
 * were made at its beginning.
 */
function bucketOf(before: Sample | undefined, sample: Sample, window: ChartWindow): Bucket[] {
  if (before === undefined) return []
  const width = window.everyMinutes
  const bucket = (minute: number) => Math.floor(minute / width) * width
  const isGap = bucket(sample.minute) - bucket(before.minute) > width
  const minute = isGap ? bucket(before.minute) + width : bucket(sample.minute)
  const at = minute * MINUTE_MS
  if (at < window.from || at >= window.to) return []
  const ended = (outcome: EndedOutcome) => Math.max(0, sample.calls[outcome] - before.calls[outcome]) / width
  const perMinute: Record<CallGroup, number> = { answered: 0, refused: 0, failed: 0, rate_limited: 0 }
  for (const outcome of ENDED_OUTCOMES) perMinute[groupOf(outcome)] += ended(outcome)
  return [{ at, perMinute }]
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

function readings(samples: readonly Sample[], read: (sample: Sample) => number | null): Reading[] {
  return samples.flatMap((sample) => {
    const value = read(sample)
    return value === null ? [] : [{ at: startOf(sample), value }]
  })
}

function spansOf(samples: readonly Sample[], window: ChartWindow): Span[] {
  const width = window.everyMinutes * MINUTE_MS
  const spans: Span[] = []
  for (const sample of samples) {
    if (sample.stopped === null) continue
    const from = Math.floor(startOf(sample) / width) * width
    const last = spans.at(-1)
    if (last !== undefined && last.cause === sample.stopped && last.to === from)
      spans[spans.length - 1] = { ...last, to: from + width }
    else spans.push({ from, to: from + width, cause: sample.stopped })
  }
  return spans
}

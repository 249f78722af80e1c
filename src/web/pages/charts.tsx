import { type ScaleLinear, scaleLinear } from 'd3-scale'
import { area, curveLinear, curveStepAfter, line, stack } from 'd3-shape'
import type { Child } from 'hono/jsx'
import { formatDateTime, formatNumber } from '../../domain/format.js'
import { causesInWords } from '../../domain/pause.js'
import type { StopCause } from '../../store/activity.js'
import { type Bucket, CALL_GROUPS, type CallGroup, type ChartData, type Reading } from './chart-data.js'
import { usePage } from './layout.js'

/**
 * Charts as SVG, drawn on the server. The drawing is stretched to its place; labels are HTML beside
 * it, so they stay readable on a phone. A screen reader gets one sentence for each, and so does a mail program that shows
 * neither styles nor drawings.
 */

const WIDTH = 1000
const HEIGHT = 200
const MINUTE_MS = 60_000

type Scale = ScaleLinear<number, number>

const GROUP_NAMES: Readonly<Record<CallGroup, string>> = {
  answered: 'answered',
  refused: 'refused',
  failed: 'failed',
  rate_limited: 'rate limited',
}

export function stopName(cause: StopCause): string {
  if (cause === 'rate_limit') return 'rate limited'
  return cause === 'operator' ? 'paused by hand' : causesInWords([cause])
}

interface ChartOf {
  readonly data: ChartData
  /** Where the lines end: now, or the end of the window. */
  readonly end: number
}

export function Charts({ data }: { readonly data: ChartData }) {
  const end = Math.min(usePage().now, data.window.to)
  if (data.buckets.length === 0 && data.credits.length === 0) {
    return <p class="quiet">No figures for this time yet. Workers record them once a minute.</p>
  }
  return (
    <div class="charts">
      <CallsChart data={data} end={end} />
      <RowsChart data={data} end={end} />
      <CreditsChart data={data} end={end} />
    </div>
  )
}

function CallsChart({ data, end }: ChartOf) {
  const { buckets, limit, window } = data
  const tallest = Math.max(0, ...buckets.map(sumOf), ...limit.map(({ value }) => value))
  const { x, y } = scales(data, [0, tallest])
  const width = window.everyMinutes * MINUTE_MS
  const layers = stack<Bucket, CallGroup>()
    .keys([...CALL_GROUPS])
    .value((bucket, group) => bucket.perMinute[group])([...buckets])
  const latest = limit.at(-1)
  const means = CALL_GROUPS.map((group) => ({ group, mean: meanOf(buckets, group) }))
  const shown = means.filter(({ group, mean }) => group === 'answered' || mean > 0)
  const stops = [...new Set(data.spans.map(({ cause }) => cause))]
  const stopped = stops.length === 0 ? '' : ` Calls stopped: ${stops.map(stopName).join(', ')}.`
  const limitText = latest === undefined ? null : `limit ${formatNumber(Math.round(latest.value))}`
  return (
    <Chart
      title="Calls a minute"
      label={`Calls a minute, on average: ${[...shown.map(({ group, mean }) => `${rounded(mean)} ${GROUP_NAMES[group]}`), limitText ?? 'limit not known'].join(', ')}.${stopped}`}
      data={data}
      y={y}
      legend={[
        ...shown.map(({ group }) => ({ key: group, text: GROUP_NAMES[group] })),
        ...(limitText === null ? [] : [{ key: 'limit', text: limitText }]),
        ...stops.map((cause) => ({ key: cause === 'rate_limit' ? 'slowed' : 'stopped', text: stopName(cause) })),
      ]}
    >
      {layers.map((layer) => (
        <g class={`fill-${layer.key}`}>
          {layer.flatMap((point) =>
            point[1] > point[0]
              ? [
                  <rect
                    x={fixed(x(point.data.at))}
                    width={fixed(Math.max(0.5, (x(point.data.at + width) - x(point.data.at)) * 0.86))}
                    y={fixed(y(point[1]))}
                    height={fixed(y(point[0]) - y(point[1]))}
                  />,
                ]
              : [],
          )}
        </g>
      ))}
      <path class="line-limit" d={drawn(limit, x, y, end, curveStepAfter)} />
    </Chart>
  )
}

function RowsChart({ data, end }: ChartOf) {
  const last = data.rowsDone.at(-1)?.value
  if (last === undefined) return null
  const first = data.rowsDone[0]?.value ?? last
  const { x, y } = scales(data, [first, last])
  return (
    <Chart
      title="Rows done"
      label={`Rows done: ${formatNumber(last)} of ${formatNumber(data.rows)}, ${formatNumber(last - first)} of them in this time.`}
      data={data}
      y={y}
      legend={[{ key: 'rows', text: `${formatNumber(last)} of ${formatNumber(data.rows)}` }]}
    >
      <path class="fill-rows" d={filled(data.rowsDone, x, y, end)} />
      <path class="line-rows" d={drawn(data.rowsDone, x, y, end)} />
    </Chart>
  )
}

function CreditsChart({ data, end }: ChartOf) {
  const values = data.credits.map(({ value }) => value)
  const last = values.at(-1)
  if (last === undefined) return null
  const { x, y } = scales(data, [Math.min(...values), Math.max(...values)])
  const what = data.isOfBatch ? 'charged' : 'left'
  return (
    <Chart
      title={`Credits ${what}`}
      label={`Credits ${what}: ${formatNumber(values[0] ?? last)} at the beginning, ${formatNumber(last)} at the end.`}
      data={data}
      y={y}
      legend={[{ key: 'credits', text: `${formatNumber(last)} ${what}` }]}
    >
      <path class="fill-credits" d={filled(data.credits, x, y, end)} />
      <path class="line-credits" d={drawn(data.credits, x, y, end)} />
    </Chart>
  )
}

interface ChartProps {
  readonly title: string
  /** What it shows, in one sentence. */
  readonly label: string
  readonly data: ChartData
  readonly y: Scale
  readonly legend: readonly { readonly key: string; readonly text: string }[]
  readonly children: Child
}

function Chart({ title, label, data, y, legend, children }: ChartProps) {
  const { from, to } = data.window
  const { x } = scales(data, [0, 1])
  const [low = 0, high = 1] = y.domain()
  const quarters = [0, 0.25, 0.5, 0.75, 1]
  return (
    <figure class="chart">
      <figcaption>
        <span class="chart-title">{title}</span>
        <ul class="legend">
          {legend.map(({ key, text }) => (
            <li class={`key key-${key}`}>{text}</li>
          ))}
        </ul>
      </figcaption>
      <p class="spoken" aria-hidden="true">
        {label}
      </p>
      <div class="plot">
        <div class="y-labels" aria-hidden="true">
          {[high, (low + high) / 2, low].map((value) => (
            <span data-text={compact(value)}></span>
          ))}
        </div>
        <svg role="img" aria-label={label} viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none">
          {data.spans.map((span) => (
            <rect
              class={span.cause === 'rate_limit' ? 'slowed' : 'stopped'}
              x={fixed(x(Math.max(span.from, from)))}
              width={fixed(x(Math.min(span.to, to)) - x(Math.max(span.from, from)))}
              y="0"
              height={HEIGHT}
            >
              <title>{stopName(span.cause)}</title>
            </rect>
          ))}
          <path class="grid" d={[0, 0.5, 1].map((part) => `M0 ${part * HEIGHT}H${WIDTH}`).join('')} />
          {children}
        </svg>
        <div class="x-labels" aria-hidden="true">
          {quarters.map((part) => (
            <span data-text={tickText(from + part * (to - from), to - from)}></span>
          ))}
        </div>
      </div>
    </figure>
  )
}

function scales({ window }: ChartData, [low, high]: readonly [number, number]): { x: Scale; y: Scale } {
  return {
    x: scaleLinear().domain([window.from, window.to]).range([0, WIDTH]),
    // A flat line lies in the middle.
    y: scaleLinear()
      .domain(low === high ? [Math.max(0, low - 1), high + 1] : [low, high])
      .nice(4)
      .range([HEIGHT, 0]),
  }
}

/** The last value counts until now. */
function upToNow(readings: readonly Reading[], end: number): Reading[] {
  const last = readings.at(-1)
  return last === undefined || last.at >= end ? [...readings] : [...readings, { at: end, value: last.value }]
}

function drawn(readings: readonly Reading[], x: Scale, y: Scale, end: number, curve = curveLinear): string {
  const path = line<Reading>(
    ({ at }) => x(at),
    ({ value }) => y(value),
  )
    .curve(curve)
    .digits(1)
  return path(upToNow(readings, end)) ?? ''
}

function filled(readings: readonly Reading[], x: Scale, y: Scale, end: number): string {
  const path = area<Reading>(
    ({ at }) => x(at),
    HEIGHT,
    ({ value }) => y(value),
  ).digits(1)
  return path(upToNow(readings, end)) ?? ''
}

function sumOf({ perMinute }: Bucket): number {
  return CALL_GROUPS.reduce((sum, group) => sum + perMinute[group], 0)
}

function meanOf(buckets: readonly Bucket[], group: CallGroup): number {
  return buckets.length === 0 ? 0 : buckets.reduce((sum, { perMinute }) => sum + perMinute[group], 0) / buckets.length
}

function rounded(value: number): string {
  return value > 0 && value < 1 ? 'under 1' : formatNumber(Math.round(value))
}

const A_DAY_MS = 24 * 60 * MINUTE_MS

/** "02:15"; over more than a day "11-29". */
function tickText(at: number, lengthMs: number): string {
  const text = formatDateTime(at)
  return lengthMs > A_DAY_MS ? text.slice(5, 10) : text.slice(11, 16)
}

const COMPACT = new Intl.NumberFormat('en-US', { notation: 'compact', maximumFractionDigits: 1 })

function compact(value: number): string {
  return COMPACT.format(value)
}

function fixed(value: number): string {
  return value.toFixed(1)
}

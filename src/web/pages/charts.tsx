import { type ScaleLinear, scaleLinear } from 'd3-scale'
import { area, curveLinear, curveStepAfter, line, stack } from 'd3-shape'
import type { Child } from 'hono/jsx'
import { formatDateTime, formatNumber } from '../../domain/format.js'
import { causesInWords } from '../../domain/pause.js'
import type { StopCause } from '../../store/activity.js'
import { type Bucket, CALL_GROUPS, type CallGroup, type ChartData, type Reading } from './chart-data.js'

/**
 * Charts as SVG, drawn on the server. The drawing is stretched to its place; labels are HTML beside
 * it, so they stay readable on a phone. A screen reader gets one sentence for each, and so does a mail program that shows
 * neither styles nor drawings.
 */

const WIDTH = 1000
const HEIGHT = 200

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
}

export function Charts({ data }: ChartOf) {
  if (data.buckets.length === 0 && data.credits.length === 0) {
    return <p class="quiet">No figures for this time yet. Workers record them once a minute.</p>
  }
  return (
    <div class="charts">
      <CallsChart data={data} />
      <RowsChart data={data} />
      <CreditsChart data={data} />
    </div>
  )
}

function CallsChart({ data }: ChartOf) {
  const { buckets, limit, mean, stops, window, isOfBatch } = data
  const tallest = Math.max(0, ...buckets.map(sumOf), ...limit.map(({ value }) => value))
  const { x, y } = scales(data, tallest)
  const layers = stack<Bucket, CallGroup>()
    .keys([...CALL_GROUPS])
    .value((bucket, group) => bucket.perMinute[group])([...buckets])
  const latest = limit.at(-1)
  const shown = CALL_GROUPS.filter((group) => group === 'answered' || mean[group] > 0)
  const stopped = stops.length === 0 ? '' : ` Calls stopped: ${stops.map(({ cause }) => stopName(cause)).join(', ')}.`
  const title = isOfBatch ? 'Calls a minute of all batches' : 'Calls a minute'
  const limitText = latest === undefined ? null : `limit ${formatNumber(Math.round(latest.value))}`
  return (
    <Chart
      title={title}
      label={`${title}, on average: ${[...shown.map((group) => `${rounded(mean[group])} ${GROUP_NAMES[group]}`), limitText ?? 'limit not known'].join(', ')}.${stopped}`}
      data={data}
      y={y}
      legend={[
        ...shown.map((group) => ({ key: group, text: GROUP_NAMES[group] })),
        ...(limitText === null ? [] : [{ key: 'limit', text: limitText }]),
        ...stops.map(({ cause }) => ({ key: cause === 'rate_limit' ? 'slowed' : 'stopped', text: stopName(cause) })),
      ]}
    >
      {layers.map((layer) => (
        <g class={`fill-${layer.key}`}>
          {layer.flatMap((point) =>
            point[1] > point[0]
              ? [
                  <rect
                    x={fixed(x(point.data.from))}
                    width={fixed(Math.max(0.5, (x(point.data.to) - x(point.data.from)) * 0.86))}
                    y={fixed(y(point[1]))}
                    height={fixed(y(point[0]) - y(point[1]))}
                  />,
                ]
              : [],
          )}
        </g>
      ))}
      <path class="line-limit" d={drawn(upTo(window.end, limit), x, y, curveStepAfter)} />
    </Chart>
  )
}

function RowsChart({ data }: ChartOf) {
  const last = data.rowsDone.at(-1)?.value
  if (last === undefined) return null
  const first = data.rowsDone[0]?.value ?? last
  const { x, y } = scales(data, last)
  const done = `${formatNumber(last)} of ${formatNumber(data.rows)}`
  const here = data.isOfBatch ? '' : `, ${formatNumber(last - first)} of them in this time`
  return (
    <Chart
      title="Rows done"
      label={`Rows done: ${done}${here}.`}
      data={data}
      y={y}
      legend={[{ key: 'rows', text: done }]}
    >
      <path class="fill-rows" d={filled(data.rowsDone, x, y)} />
      <path class="line-rows" d={drawn(data.rowsDone, x, y)} />
    </Chart>
  )
}

function CreditsChart({ data }: ChartOf) {
  const values = data.credits.map(({ value }) => value)
  const last = values.at(-1)
  if (last === undefined) return null
  const { x, y } = scales(data, Math.max(...values))
  const what = data.isOfBatch ? 'charged' : 'left'
  return (
    <Chart
      title={`Credits ${what}`}
      label={`Credits ${what}: ${formatNumber(values[0] ?? last)} at the beginning, ${formatNumber(last)} at the end.`}
      data={data}
      y={y}
      legend={[{ key: 'credits', text: `${formatNumber(last)} ${what}` }]}
    >
      <path class="fill-credits" d={filled(data.credits, x, y)} />
      <path class="line-credits" d={drawn(data.credits, x, y)} />
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
  const { x } = scales(data, 1)
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

/** An axis begins at 0: an area that begins elsewhere looks smaller than it is. */
function scales({ window }: ChartData, highest: number): { x: Scale; y: Scale } {
  return {
    x: scaleLinear().domain([window.from, window.to]).range([0, WIDTH]),
    y: scaleLinear()
      .domain([0, Math.max(1, highest)])
      .nice(4)
      .range([HEIGHT, 0]),
  }
}

/** The last value counts until then. */
function upTo(end: number, readings: readonly Reading[]): Reading[] {
  const last = readings.at(-1)
  return last === undefined || last.at >= end ? [...readings] : [...readings, { at: end, value: last.value }]
}

function drawn(readings: readonly Reading[], x: Scale, y: Scale, curve = curveLinear): string {
  const path = line<Reading>(
    ({ at }) => x(at),
    ({ value }) => y(value),
  )
    .curve(curve)
    .digits(1)
  return path([...readings]) ?? ''
}

function filled(readings: readonly Reading[], x: Scale, y: Scale): string {
  const path = area<Reading>(
    ({ at }) => x(at),
    HEIGHT,
    ({ value }) => y(value),
  ).digits(1)
  return path([...readings]) ?? ''
}

function sumOf({ perMinute }: Bucket): number {
  return CALL_GROUPS.reduce((sum, group) => sum + perMinute[group], 0)
}

function rounded(value: number): string {
  return value > 0 && value < 1 ? 'under 1' : formatNumber(Math.round(value))
}

const FOUR_MINUTES_MS = 4 * 60_000
const A_DAY_MS = 24 * 60 * 60_000

/** "02:15"; within a few minutes "02:15:30", over more than a day "11-29". */
function tickText(at: number, lengthMs: number): string {
  const text = formatDateTime(at)
  if (lengthMs > A_DAY_MS) return text.slice(5, 10)
  return text.slice(11, lengthMs < FOUR_MINUTES_MS ? 19 : 16)
}

const COMPACT = new Intl.NumberFormat('en-US', { notation: 'compact', maximumFractionDigits: 1 })

function compact(value: number): string {
  return COMPACT.format(value)
}

function fixed(value: number): string {
  return value.toFixed(1)
}

import { LIMIT_KINDS, type LimitKind } from '../../src/simulator/options.js'
import { type Simulator, startSimulator } from '../../src/simulator/simulator.js'
import { QUERY, writeCatalog } from './catalog-file.js'
import { withEnvironment, withStore } from './environment.js'
import type { Bench, BenchOptions, Figure } from './figure.js'
import { runWorkers, type WorkerPlan } from './workers.js'

/**
 * How much of the rate limit is used, and how often it is exceeded: for each of the simulator's three ways of
 * counting a minute, with one, two and four workers, and with workers that join and leave.
 *
 * At 10 calls a minute, a minute lasts 15 s and the rate is set accordingly. That is harder than reality: a late
 * start weighs more in a shorter interval, and Retry-After still counts whole seconds. At 300 calls a minute,
 * minutes are real and the rate is learned from the API.
 */

const WORKER_PLANS: readonly WorkerPlan[] = [
  { workers: 1 },
  { workers: 2 },
  { workers: 4 },
  { workers: 'joining and leaving' },
]
const SCALES = [
  { perMinute: 10, minuteMs: 15_000, seconds: 120, atATime: 6 },
  { perMinute: 300, minuteMs: 60_000, seconds: 90, atATime: 3 },
] as const
const QUICK_SECONDS = 40
const LEAST_USED = { atLeast: 99.5 }
const MINUTE_MS = 60_000

export const pace: Bench = {
  name: 'pace',
  about: 'use of the rate limit and share of 429s, for three kinds of limit and four numbers of workers',
  async run(options) {
    const seen: Seen[] = []
    for (const scale of SCALES) {
      const kinds: readonly LimitKind[] = options.quick ? ['sliding'] : LIMIT_KINDS
      const rows = kinds.flatMap((kind) => WORKER_PLANS.map((workerPlan) => ({ ...scale, kind, workerPlan })))
      const seconds = options.quick ? QUICK_SECONDS : scale.seconds
      const atATime = options.quick ? WORKER_PLANS.length : scale.atATime
      // Several at once, since they mostly wait. Not all at once: on a busy machine, calls start late.
      for (let from = 0; from < rows.length; from += atATime) {
        const now = rows.slice(from, from + atATime)
        options.say(`${scale.perMinute} calls a minute, rows ${from + 1} to ${from + now.length} of ${rows.length}`)
        seen.push(...(await Promise.all(now.map((row) => measure({ ...row, seconds })))))
      }
    }
    return [...seen.map(usageFigure), ...inAll(seen), ...(await realRun(options))]
  },
}

interface Row {
  readonly kind: LimitKind
  readonly perMinute: number
  readonly minuteMs: number
  readonly seconds: number
  readonly workerPlan: WorkerPlan
}

interface Seen extends Row {
  readonly calls: number
  readonly refused: number
  /** The share of the limit that was used, 0 to 1. */
  readonly used: number
}

/** @param more settings, such as the address of the store */
export async function measure(row: Row, more: Readonly<Record<string, string>> = {}): Promise<Seen> {
  const { kind, perMinute, minuteMs } = row
  const simulator = await startSimulator({
    tier: 'pro',
    credits: 10_000_000,
    perMinute,
    limitKind: kind,
    minuteMs,
    latencyMs: [80, 320],
    tracksPerAnswer: 1,
  })
  const perRealMinute = (perMinute * MINUTE_MS) / minuteMs
  const settings = minuteMs === MINUTE_MS ? {} : { TRACKYARD_RATE_LIMIT: String(perRealMinute) }
  try {
    return await withEnvironment(simulator.url, { ...settings, ...more }, async (environment) => {
      const enough = Math.ceil(((row.seconds + 60) / 60) * perRealMinute)
      const catalog = await writeCatalog(environment.dir, 'pace', enough)
      await environment.cli(['submit', catalog, '--query', QUERY, '--yes', '--json'])
      const { from, to } = await runWorkers(environment, row.workerPlan, row.seconds * 1000)
      return { ...row, ...usage(simulator, row, from, to) }
    })
  } finally {
    await simulator.close()
  }
}

/**
 * From the first call that passed to the last group of calls, which is not counted: calls start in groups, each at the
 * beginning of its part of a minute. A standstill at the end of the span counts too.
 */
function usage(
  simulator: Simulator,
  { perMinute, minuteMs }: Row,
  from: number,
  to: number,
): Pick<Seen, 'calls' | 'refused' | 'used'> {
  const calls = simulator.calls().filter(({ receivedAt }) => receivedAt <= to)
  const refused = calls.filter(({ status }) => status === 429).length
  const passed = calls.filter(({ status, receivedAt }) => status !== 429 && receivedAt >= from)
  const intervalMs = minuteMs / perMinute
  const [first, last] = [passed[0]?.receivedAt ?? to, passed.at(-1)?.receivedAt ?? from]
  const counted = passed.filter(({ receivedAt }) => receivedAt < last - intervalMs / 2)
  const lastGroup = passed[counted.length]?.receivedAt ?? from
  const spanMs = Math.max(lastGroup, to - Math.max(intervalMs, minuteMs * LONGEST_PART)) - first
  return { calls: calls.length, refused, used: (counted.length * intervalMs) / spanMs }
}

/** Of a minute. A group of calls starts at least this often. */
const LONGEST_PART = 1 / 40

export function usageFigure(seen: Seen): Figure {
  const { kind, perMinute, minuteMs, workerPlan, calls, refused } = seen
  const scaled = minuteMs === MINUTE_MS ? 'real minutes' : `minutes of ${minuteMs / 1000} s`
  const processes = workerPlan.workers === 1 ? '1 process' : `${workerPlan.workers} processes`
  return {
    bench: 'pace',
    what: `${perMinute} a minute, ${kind}, ${workerPlan.workers === 'joining and leaving' ? workerPlan.workers : processes}`,
    value: seen.used * 100,
    unit: '% of the limit',
    aim: LEAST_USED,
    note: `${calls} calls in ${scaled}, ${refused} answered 429`,
  }
}

function inAll(seen: readonly Seen[]): Figure[] {
  const calls = seen.reduce((sum, row) => sum + row.calls, 0)
  const refused = seen.reduce((sum, row) => sum + row.refused, 0)
  const figure = (what: string, value: number, unit: string, aim: Figure['aim']): Figure => ({
    bench: 'pace',
    what,
    value,
    unit,
    aim,
    note: `${calls} calls in ${seen.length} rows`,
  })
  const least = Math.min(...seen.map(({ used }) => used * 100))
  return [
    figure('row with the lowest use', least, '% of the limit', LEAST_USED),
    figure('429s per 1,000 calls', (refused * 1000) / calls, '', { atMost: 1 }),
  ]
}

/**
 * A longer run at 300 calls a minute, learned from the API, in real minutes, with the strictest way of counting. Each
 * store has a Redis and four workers of its own.
 */
async function realRun({ stores, trueMinutes, say }: BenchOptions): Promise<readonly Figure[]> {
  if (trueMinutes === 0) return []
  say(`300 calls a minute for ${trueMinutes} minutes`)
  const row = { kind: 'sliding', perMinute: 300, minuteMs: MINUTE_MS, seconds: trueMinutes * 60 } as const
  const runs = stores.map((store) =>
    withStore(store, async (settings) => ({
      ...usageFigure(await measure({ ...row, workerPlan: { workers: 4 } }, settings)),
      store,
    })),
  )
  return Promise.all(runs)
}

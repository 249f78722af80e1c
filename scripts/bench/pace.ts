import { LIMIT_KINDS, type LimitKind } from '../../src/simulator/options.js'
import { type Simulator, startSimulator } from '../../src/simulator/simulator.js'
import { QUERY, writeCatalog } from './catalog-file.js'
import { onStage, withStore } from './environment.js'
import type { Bench, Figure, Order } from './figure.js'
import { runWorkers, type WorkerPlan } from './workers.js'

/**
 * How much of a limit is used, and how often it is overstepped: against the simulator's three ways of counting a
 * minute, with fleets of one, two and four processes, and one where workers join and leave. At 10 a minute the
 * minutes are shortened (and the pace set accordingly), which is harder than life: what a start is late
 * by weighs more in a shorter interval, and a Retry-After is still whole seconds. At 300 they are true
 * ones, with the pace as it is learned from the API.
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
  about: 'use of the rate limit and share of 429s, for three kinds of limit and four fleets',
  async run(order) {
    const seen: Seen[] = []
    for (const scale of SCALES) {
      const kinds: readonly LimitKind[] = order.quick ? ['sliding'] : LIMIT_KINDS
      const rows = kinds.flatMap((kind) => WORKER_PLANS.map((workerPlan) => ({ ...scale, kind, workerPlan })))
      const seconds = order.quick ? QUICK_SECONDS : scale.seconds
      const atATime = order.quick ? WORKER_PLANS.length : scale.atATime
      // Some rows at a time: they wait more than they work, but a busy machine starts late.
      for (let from = 0; from < rows.length; from += atATime) {
        const now = rows.slice(from, from + atATime)
        order.say(`${scale.perMinute} a minute, rows ${from + 1} to ${from + now.length} of ${rows.length}`)
        seen.push(...(await Promise.all(now.map((row) => measured({ ...row, seconds })))))
      }
    }
    return [...seen.map(usageFigure), ...inAll(seen), ...(await trueRun(order))]
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
  /** Share of the limit that was used. */
  readonly used: number
}

/** @param more settings, such as where the store is */
export async function measured(row: Row, more: Readonly<Record<string, string>> = {}): Promise<Seen> {
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
    return await onStage(simulator.url, { ...settings, ...more }, async (environment) => {
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

/** Counted from the first answered call in the span on, to the last; workers that stand still at the end is not spared. */
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
  const spanMs = Math.max(last, to - intervalMs) - first
  return { calls: calls.length, refused, used: ((passed.length - 1) * intervalMs) / spanMs }
}

export function usageFigure(seen: Seen): Figure {
  const { kind, perMinute, minuteMs, workerPlan, calls, refused } = seen
  const scaled = minuteMs === MINUTE_MS ? 'true minutes' : `minutes of ${minuteMs / 1000} s`
  const processes = workerPlan.workers === 1 ? '1 process' : `${workerPlan.workers} processes`
  return {
    bench: 'pace',
    what: `${perMinute} a minute, ${kind}, ${workerPlan.workers === 'joining and leaving' ? workerPlan.workers : processes}`,
    value: seen.used * 100,
    unit: '% used',
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
    note: `${calls} calls over ${seen.length} rows`,
  })
  const least = Math.min(...seen.map(({ used }) => used * 100))
  return [
    figure('the least used row', least, '% used', LEAST_USED),
    figure('answered 429, of 1,000 calls', (refused * 1000) / calls, '', { atMost: 1 }),
  ]
}

/** The real thing: 300 a minute as learned from the API, in real minutes, on the strictest way of counting; each store with a Redis and four workers of its own. */
async function trueRun({ stores, trueMinutes, say }: Order): Promise<readonly Figure[]> {
  if (trueMinutes === 0) return []
  say(`300 a minute for ${trueMinutes} minutes`)
  const row = { kind: 'sliding', perMinute: 300, minuteMs: MINUTE_MS, seconds: trueMinutes * 60 } as const
  const runs = stores.map((store) =>
    withStore(store, async (settings) => ({
      ...usageFigure(await measured({ ...row, workerPlan: { workers: 4 } }, settings)),
      store,
    })),
  )
  return Promise.all(runs)
}

import { formatNumber } from '../../src/domain/format.js'
import { QUERY, writeCatalog } from './catalog-file.js'
import { onEachStore } from './each-store.js'
import type { RunEnvironment } from './environment.js'
import { type Bench, type Figure, median } from './figure.js'
import { redisMemory } from './redis-memory.js'

/** Plan, submit and status of a catalog of a million rows without a shared search. No worker runs. */
export const million: Bench = {
  name: 'million',
  about: 'a million rows: plan, submit, Redis memory, status',
  async run({ quick, stores, say }) {
    const rows = quick ? 100_000 : 1_000_000
    return onEachStore(stores, {}, async (environment, store) => {
      say(`${rows} rows, ${store}`)
      return (await oneMillion(environment, rows)).map((each) => ({ ...each, store }))
    })
  },
}

async function oneMillion(environment: RunEnvironment, rows: number): Promise<Figure[]> {
  const small = await writeCatalog(environment.dir, 'small', rows / 10)
  const catalog = await writeCatalog(environment.dir, 'million', rows)
  const command = (file: string, ...more: string[]) => ['submit', file, '--query', QUERY, '--json', ...more]
  const smallPlan = await environment.cli(command(small, '--dry-run'))
  const plan = await environment.cli(command(catalog, '--dry-run'))
  const socket = await environment.redisSocket()
  const empty = await redisMemory(socket)
  const submit = await environment.cli(command(catalog, '--yes'))
  const filled = await redisMemory(socket)
  const statusMs: number[] = []
  for (let run = 0; run < 5; run += 1) statusMs.push((await environment.cli(['status', '--json'])).wallMs)
  const queued = filled.keys - empty.keys
  const ofRows = `${formatNumber(rows)} rows`
  return [
    figure(
      'plan (--dry-run)',
      rows / (plan.firstOutputMs / 1000),
      'rows/s',
      { atLeast: 1_000_000 / 30 },
      `${ofRows}: shown after ${(plan.firstOutputMs / 1000).toFixed(1)} s, dropped after ${(plan.wallMs / 1000).toFixed(1)} s`,
    ),
    figure(
      'plan, peak memory',
      plan.facts?.peakMb ?? null,
      'MB',
      { atMost: 200 },
      `${smallPlan.facts?.peakMb.toFixed(0) ?? '?'} MB with a tenth of the rows`,
    ),
    figure(
      'submit',
      rows / (submit.wallMs / 1000),
      'rows/s',
      { atLeast: 25_000 },
      'including plan, release and feeding',
    ),
    figure('submit, peak memory', submit.facts?.peakMb ?? null, 'MB', { atMost: 200 }, ofRows),
    figure(
      'Redis, per queued search',
      (filled.usedBytes - empty.usedBytes) / queued,
      'bytes',
      { atMost: 650 },
      `${formatNumber(queued)} queued`,
    ),
    figure('Redis, total', filled.usedBytes / 1e6, 'MB', { atMost: 40 }, `${formatNumber(rows)} searches due`),
    figure('status', median(statusMs) / 1000, 's', { atMost: 1 }, `${ofRows}, median of 5`),
  ]
}

function figure(what: string, value: number | null, unit: string, aim: Figure['aim'], note: string): Figure {
  return { bench: 'million', what, value, unit, aim, note }
}

import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { QUERY, writeCatalog } from './catalog-file.js'
import { onEachStore } from './each-store.js'
import type { RunEnvironment } from './environment.js'
import { type FastServer, untilCalls } from './fast-server.js'
import { type Bench, type BenchOptions, type Figure, median } from './figure.js'
import { factsOf } from './process-facts.js'

/**
 * What a night costs one worker in CPU and memory: a hundred thousand searches, including feeding and the other
 * maintenance tasks. Then status and export of that batch, with twenty tracks per answer.
 */

const CONCURRENCY = 50

export const night: Bench = {
  name: 'night',
  about: "a worker's CPU and memory over 100,000 searches, then their export",
  async run({ quick, stores, say }) {
    return onEachStore(stores, { TRACKYARD_CONCURRENCY: String(CONCURRENCY) }, async (environment, store, server) => {
      // PostgreSQL takes three times as long, and a worker needs no more memory for it.
      const searches = quick && store === 'PostgreSQL' ? 20_000 : 100_000
      return (await oneNight(server, environment, searches, say)).map((each) => ({ ...each, store }))
    })
  },
}

async function oneNight(
  server: FastServer,
  environment: RunEnvironment,
  searches: number,
  say: BenchOptions['say'],
): Promise<Figure[]> {
  const catalog = await writeCatalog(environment.dir, 'night', searches)
  await environment.cli(['submit', catalog, '--query', QUERY, '--yes', '--json'])
  say(`one worker, ${searches} searches`)
  await server.reset()
  const worker = await environment.startWorker()
  const { seconds } = await untilCalls(server, searches)
  const facts = factsOf(worker.pid)
  await worker.stop()
  say('status and export')
  const statusMs: number[] = []
  for (let run = 0; run < 5; run += 1) statusMs.push((await environment.cli(['status', '--json'])).wallMs)
  const note = `${searches} searches in ${seconds.toFixed(0)} s, feeding included, concurrency ${CONCURRENCY}`
  const cpu = facts && (facts.cpuSeconds * 1000) / searches
  const isWhole = searches === 100_000
  return [
    figure('searches a second, feeding included', searches / seconds, 'searches/s', null, note),
    figure("a worker's CPU per 1,000 searches", cpu, 's', null, 'including its start'),
    figure(
      "a worker's resident memory afterwards",
      facts?.residentMb ?? null,
      'MB',
      isWhole ? { atMost: 200 } : null,
      `peak ${facts?.peakMb.toFixed(0) ?? '?'} MB`,
    ),
    figure('status', median(statusMs) / 1000, 's', null, 'median of 5'),
    await exported(environment, 'csv', searches),
    await exported(environment, 'jsonl', searches),
  ]
}

async function exported(environment: RunEnvironment, format: 'csv' | 'jsonl', rows: number): Promise<Figure> {
  const out = join(environment.dir, `tagged.${format}`)
  const { wallMs, facts } = await environment.cli(['export', '--format', format, '--out', out])
  const megabytes = ((await stat(out)).size / 1e6).toFixed(0)
  return figure(
    `export as ${format.toUpperCase()}`,
    rows / (wallMs / 1000),
    'rows/s',
    { atLeast: environment.databaseUrl === '' ? 50_000 : 30_000 },
    `20 tracks per answer, ${megabytes} MB written, peak ${facts?.peakMb.toFixed(0) ?? '?'} MB, including the start of the command`,
  )
}

function figure(what: string, value: number | null, unit: string, aim: Figure['aim'], note: string): Figure {
  return { bench: 'night', what, value, unit, aim, note }
}

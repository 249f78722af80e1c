import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { QUERY, writeCatalog } from './catalog-file.js'
import { BENCH_ENTRY } from './entry.js'
import { onStage, type RunEnvironment } from './environment.js'
import { startFastServer, untilCalls } from './fast-server.js'
import type { Bench, Figure } from './figure.js'
import { factsOf } from './process-facts.js'

/**
 * A hundred thousand searches through one worker, its feeding and its other chores included: what a night costs in
 * CPU and memory. Then the morning: the same batch, twenty tracks to an answer, exported.
 */
const CONCURRENCY = 50

export const night: Bench = {
  name: 'night',
  about: "a worker's CPU and memory over 100,000 searches, then their export",
  async run({ quick, say }) {
    const searches = quick ? 10_000 : 100_000
    const server = await startFastServer(BENCH_ENTRY, 0)
    try {
      return await onStage(server.url, { TRACKYARD_CONCURRENCY: String(CONCURRENCY) }, async (environment) => {
        const catalog = await writeCatalog(environment.dir, 'night', searches)
        await environment.cli(['submit', catalog, '--query', QUERY, '--yes', '--json'])
        say(`one worker, ${searches} searches`)
        const worker = await environment.startWorker()
        const { seconds } = await untilCalls(server, searches)
        const facts = factsOf(worker.pid)
        await worker.stop()
        say('export')
        const note = `${searches} searches in ${seconds.toFixed(0)} s, fed while it runs, concurrency ${CONCURRENCY}`
        return [
          figure('searches a second, fed on the way', searches / seconds, 'searches/s', null, note),
          figure(
            "a worker's CPU per 1,000 searches",
            facts && (facts.cpuSeconds * 1000) / searches,
            's',
            null,
            `start included`,
          ),
          figure("a worker's resident memory afterwards", facts?.residentMb ?? null, 'MB', null, ''),
          await exported(environment, 'csv', searches),
          await exported(environment, 'jsonl', searches),
        ]
      })
    } finally {
      await server.close()
    }
  },
}

async function exported(environment: RunEnvironment, format: 'csv' | 'jsonl', rows: number): Promise<Figure> {
  const out = join(environment.dir, `tagged.${format}`)
  const { wallMs, facts } = await environment.cli(['export', '--format', format, '--out', out])
  const megabytes = ((await stat(out)).size / 1e6).toFixed(0)
  return figure(
    `export as ${format.toUpperCase()}`,
    rows / (wallMs / 1000),
    'rows/s',
    { atLeast: 50_000 },
    `20 tracks to an answer, ${megabytes} MB written, peak ${facts?.peakMb.toFixed(0) ?? '?'} MB, start of the command included`,
  )
}

function figure(what: string, value: number | null, unit: string, aim: Figure['aim'], note: string): Figure {
  return { bench: 'night', what, value, unit, aim, note }
}

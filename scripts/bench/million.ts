import { silentLogger } from '../../src/domain/logger.js'
import { startOrConnectPrivateRedis } from '../../src/queue/private-redis/private-redis.js'
import { QUERY, writeCatalog } from './catalog-file.js'
import { BENCH_ENTRY } from './entry.js'
import { onStage } from './environment.js'
import { startFastServer } from './fast-server.js'
import { type Bench, type Figure, median } from './figure.js'
import { redisMemory } from './redis-memory.js'

/** A catalog of a million rows that all ask something else: planned, submitted, looked at. No worker runs. */
export const million: Bench = {
  name: 'million',
  about: 'a million rows: plan, submit, Redis memory, status',
  async run({ quick, say }) {
    const rows = quick ? 100_000 : 1_000_000
    const server = await startFastServer(BENCH_ENTRY, 0)
    try {
      return await onStage(server.url, {}, async (environment) => {
        const small = await writeCatalog(environment.dir, 'small', rows / 10)
        const catalog = await writeCatalog(environment.dir, 'million', rows)
        const command = (file: string, ...more: string[]) => ['submit', file, '--query', QUERY, '--json', ...more]
        say(`plan of ${rows} rows`)
        const smallPlan = await environment.cli(command(small, '--dry-run'))
        const plan = await environment.cli(command(catalog, '--dry-run'))
        const redis = await startOrConnectPrivateRedis({ dataDir: environment.dataDir, log: silentLogger })
        const empty = await redisMemory(redis.socketPath)
        say(`submit of ${rows} rows`)
        const submit = await environment.cli(command(catalog, '--yes'))
        const filled = await redisMemory(redis.socketPath)
        say('status')
        const looks: number[] = []
        for (let look = 0; look < 5; look += 1) looks.push((await environment.cli(['status', '--json'])).wallMs)
        const queued = filled.jobs - empty.jobs
        return [
          figure(
            'plan (--dry-run): shown',
            plan.shownMs / 1000,
            's',
            { atMost: 30 },
            `${rows} rows; ${(plan.wallMs / 1000).toFixed(1)} s until they are dropped again`,
          ),
          figure(
            'plan, peak memory',
            plan.facts?.peakMb ?? null,
            'MB',
            { atMost: 250 },
            `${smallPlan.facts?.peakMb.toFixed(0) ?? '?'} MB with a tenth of the rows`,
          ),
          figure(
            'submit',
            rows / (submit.wallMs / 1000),
            'rows/s',
            { atLeast: 25_000 },
            'plan, release and feed included',
          ),
          figure('submit, peak memory', submit.facts?.peakMb ?? null, 'MB', { atMost: 250 }, ''),
          figure(
            'Redis, for each queued search',
            (filled.usedBytes - empty.usedBytes) / queued,
            'bytes',
            { atMost: 650 },
            `${queued} queued`,
          ),
          figure('Redis in all', filled.usedBytes / 1e6, 'MB', { atMost: 40 }, `${rows} searches due`),
          figure('status', median(looks) / 1000, 's', { atMost: 1 }, `${rows} items, median of 5`),
        ]
      })
    } finally {
      await server.close()
    }
  },
}

function figure(what: string, value: number | null, unit: string, aim: Figure['aim'], note: string): Figure {
  return { bench: 'million', what, value, unit, aim, note }
}

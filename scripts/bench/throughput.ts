import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLogger } from '../../src/domain/logger.js'
import { startOrConnectPrivateRedis, stopPrivateRedis } from '../../src/queue/private-redis/private-redis.js'
import { BARE_WORKER_ROLE } from './bare-worker.js'
import { QUERY, writeCatalog } from './catalog-file.js'
import { DOCUMENTED_LOOP_ROLE } from './documented-loop.js'
import { type RunEnvironment, type StoreName, withEnvironments } from './environment.js'
import { type FastServer, startFastServer, untilCalls } from './fast-server.js'
import { type Bench, type BenchOptions, type Figure, median } from './figure.js'
import { factsOf, type ProcessFacts } from './process-facts.js'
import { runRole } from './role.js'

/**
 * Calls per second without a rate limit, compared with a bare BullMQ worker and the documentation's loop. The server
 * times all of them, and all jobs are in Redis before the first call. They run in turns and the median counts, so
 * that other load on the machine slows all of them alike.
 */

const TURNS = 3
const DEFAULT_CONCURRENCY = 10

export const throughput: Bench = {
  name: 'throughput',
  about: 'calls a second without limits, against a bare BullMQ worker and a sequential loop',
  run: async (options) => [
    ...(await against(options, { latencyMs: 0, concurrency: 50, searches: 20_000, loopSearches: 4000, aim: 0.6 })),
    ...(await against(options, { latencyMs: 50, concurrency: 50, searches: 20_000, loopSearches: 100, aim: 0.95 })),
    ...(await against(options, {
      latencyMs: 50,
      concurrency: DEFAULT_CONCURRENCY,
      searches: 4000,
      loopSearches: 100,
      aim: 0.95,
    })),
  ],
}

interface Race {
  readonly latencyMs: number
  /** Calls at a time; the loop makes one. */
  readonly concurrency: number
  readonly searches: number
  /** Searches of the sequential loop. */
  readonly loopSearches: number
  /** The lowest acceptable ratio of the program (with SQLite) to the bare worker. */
  readonly aim: number
}

function nameOf({ latencyMs, concurrency }: Race): string {
  return `${latencyMs} ms server, ${concurrency} at a time`
}

async function against(options: BenchOptions, race: Race): Promise<Figure[]> {
  const searches = options.quick ? race.searches / 2 : race.searches
  const turns = options.quick ? 1 : TURNS
  const server = await startFastServer(race.latencyMs)
  const bareDir = await mkdtemp(join(tmpdir(), 'bench-'))
  const [bare, looped]: [Seen[], Seen[]] = [[], []]
  const ours = new Map<StoreName, Seen[]>(options.stores.map((store) => [store, []]))
  try {
    const redis = await startOrConnectPrivateRedis({ dataDir: bareDir, log: silentLogger })
    const settings = { TRACKYARD_CONCURRENCY: String(race.concurrency) }
    await withEnvironments(options.stores, server.url, settings, async (environments) => {
      for (let turn = 1; turn <= turns; turn += 1) {
        options.say(`${nameOf(race)}, turn ${turn} of ${turns}`)
        bare.push(await seenBare(server, redis.socketPath, searches, race.concurrency))
        for (const { store, environment } of environments)
          ours.get(store)?.push(await seenOurs(server, environment, searches, `turn-${turn}`))
        looped.push(await seenLoop(server, options.quick ? race.loopSearches / 2 : race.loopSearches))
      }
    })
  } finally {
    await stopPrivateRedis({ dataDir: bareDir })
    await rm(bareDir, { recursive: true, force: true })
    await server.close()
  }
  return figures(race, searches, { bare, looped, ours })
}

/** One turn of one program. */
interface Seen {
  readonly callsPerSecond: number
  /** CPU time of its process per 1,000 searches. Null: not measured. */
  readonly cpuSeconds: number | null
}

function figures(
  race: Race,
  searches: number,
  { bare, looped, ours }: { bare: Seen[]; looped: Seen[]; ours: ReadonlyMap<StoreName, Seen[]> },
): Figure[] {
  const at = nameOf(race)
  const figure = (what: string, value: number, unit: string, note: string, aim: Figure['aim'] = null): Figure => ({
    ...{ bench: 'throughput', what: `${at}: ${what}`, value, unit, aim, note },
  })
  const speed = (seen: readonly Seen[]): number => median(seen.map(({ callsPerSecond }) => callsPerSecond))
  const costs = (seen: readonly Seen[]): string => {
    const cpu = median(seen.map(({ cpuSeconds }) => cpuSeconds ?? Number.NaN))
    return Number.isNaN(cpu) ? '' : `${cpu.toFixed(2)} s of CPU per 1,000`
  }
  return [
    figure('a bare BullMQ worker', speed(bare), 'calls/s', `stores nothing; ${costs(bare)}`),
    figure("the documentation's loop", speed(looped), 'calls/s', 'one at a time'),
    ...[...ours].flatMap(([store, seen]) => [
      { ...figure('the program', speed(seen), 'calls/s', `${searches} searches; ${costs(seen)}`), store },
      {
        ...figure(
          'program ÷ bare worker',
          speed(seen) / speed(bare),
          '',
          'the cost of the store',
          store === 'SQLite' ? { atLeast: race.aim } : null,
        ),
        store,
      },
    ]),
  ]
}

async function seenOurs(
  server: FastServer,
  environment: RunEnvironment,
  searches: number,
  name: string,
): Promise<Seen> {
  const catalog = await writeCatalog(environment.dir, name, searches)
  await environment.cli(['submit', catalog, '--query', QUERY, '--yes', '--json'])
  await server.reset()
  const worker = await environment.startWorker()
  const { calls, seconds } = await untilCalls(server, searches)
  const facts = factsOf(worker.pid)
  await worker.stop()
  return { callsPerSecond: calls / seconds, cpuSeconds: per1000(facts, searches) }
}

async function seenBare(server: FastServer, socketPath: string, searches: number, concurrency: number): Promise<Seen> {
  await server.reset()
  const words = [BARE_WORKER_ROLE, server.url, socketPath, String(searches), String(concurrency)]
  const { facts } = await runRole(words)
  const { calls, seconds } = await server.counted()
  return { callsPerSecond: calls / seconds, cpuSeconds: per1000(facts, searches) }
}

async function seenLoop(server: FastServer, searches: number): Promise<Seen> {
  await server.reset()
  await runRole([DOCUMENTED_LOOP_ROLE, server.url, String(searches)])
  const { calls, seconds } = await server.counted()
  return { callsPerSecond: calls / seconds, cpuSeconds: null }
}

function per1000(facts: ProcessFacts | null, searches: number): number | null {
  return facts && (facts.cpuSeconds * 1000) / searches
}

import { silentLogger } from '../../src/domain/logger.js'
import { startOrConnectPrivateRedis } from '../../src/queue/private-redis/private-redis.js'
import { BARE_WORKER } from './bare-worker.js'
import { QUERY, writeCatalog } from './catalog-file.js'
import { DOCUMENTED_LOOP } from './documented-loop.js'
import { BENCH_ENTRY } from './entry.js'
import { onStage, type RunEnvironment } from './environment.js'
import { type FastServer, startFastServer, untilCalls } from './fast-server.js'
import { type Bench, type Figure, median, type Order } from './figure.js'
import { runRole } from './role.js'

/**
 * Calls a second where nothing limits them, against a bare BullMQ worker and the documentation's loop. All of
 * them are timed by the server, with the jobs in Redis before the first call, in turns, and the
 * median of the turns counts: a neighbour on the machine disturbs all alike.
 */
const TURNS = 3
const DEFAULT_CONCURRENCY = 10

export const throughput: Bench = {
  name: 'throughput',
  about: 'calls a second without limits, against a bare BullMQ worker and a sequential loop',
  run: async (order) => [
    ...(await against(order, { latencyMs: 0, concurrency: 50, searches: 20_000, looped: 4000, aim: 0.6 })),
    ...(await against(order, { latencyMs: 50, concurrency: 50, searches: 6000, looped: 100, aim: 0.95 })),
    ...(await against(order, {
      latencyMs: 50,
      concurrency: DEFAULT_CONCURRENCY,
      searches: 2000,
      looped: 100,
      aim: 0.95,
    })),
  ],
}

interface Race {
  readonly latencyMs: number
  /** Calls at a time, but for the loop. */
  readonly concurrency: number
  readonly searches: number
  /** How many the sequential loop gets to do. */
  readonly looped: number
  /** Of the ratio to the bare worker. */
  readonly aim: number
}

function nameOf({ latencyMs, concurrency }: Race): string {
  return `${latencyMs} ms server, ${concurrency} at a time`
}

async function against(order: Order, race: Race): Promise<Figure[]> {
  const searches = order.quick ? race.searches / 10 : race.searches
  const server = await startFastServer(BENCH_ENTRY, race.latencyMs)
  const [ours, bare, looped]: [number[], number[], number[]] = [[], [], []]
  try {
    await onStage(server.url, { TRACKYARD_CONCURRENCY: String(race.concurrency) }, async (environment) => {
      for (let turn = 1; turn <= (order.quick ? 1 : TURNS); turn += 1) {
        order.say(`${nameOf(race)}, turn ${turn}: bare worker, program, loop`)
        bare.push(await bareCallsPerSecond(server, environment, searches, race.concurrency))
        ours.push(await ourCallsPerSecond(server, environment, searches, `turn-${turn}`))
        looped.push(await loopedCallsPerSecond(server, race.looped))
      }
    })
  } finally {
    await server.close()
  }
  return figures(race, { searches, ours: median(ours), bare: median(bare), looped: median(looped) })
}

function figures(
  race: Race,
  seen: { readonly searches: number; readonly ours: number; readonly bare: number; readonly looped: number },
): Figure[] {
  const at = nameOf(race)
  const figure = (what: string, value: number, unit: string, note: string, aimed: Figure['aim'] = null): Figure => ({
    bench: 'throughput',
    what: `${at}: ${what}`,
    value,
    unit,
    aim: aimed,
    note,
  })
  return [
    figure('the program', seen.ours, 'calls/s', `${seen.searches} searches, all on record`),
    figure('a bare BullMQ worker', seen.bare, 'calls/s', 'same call, JSON parse, no record'),
    figure("the documentation's loop", seen.looped, 'calls/s', 'one at a time'),
    figure('program ÷ bare worker', seen.ours / seen.bare, '', 'the price of the record', { atLeast: race.aim }),
    figure('program ÷ loop', seen.ours / seen.looped, '', ''),
  ]
}

async function ourCallsPerSecond(
  server: FastServer,
  environment: RunEnvironment,
  searches: number,
  name: string,
): Promise<number> {
  const catalog = await writeCatalog(environment.dir, name, searches)
  await environment.cli(['submit', catalog, '--query', QUERY, '--yes', '--json'])
  await server.reset()
  const worker = await environment.startWorker()
  const { calls, seconds } = await untilCalls(server, searches)
  await worker.stop()
  return calls / seconds
}

async function bareCallsPerSecond(
  server: FastServer,
  environment: RunEnvironment,
  searches: number,
  concurrency: number,
): Promise<number> {
  const { socketPath } = await startOrConnectPrivateRedis({ dataDir: environment.dataDir, log: silentLogger })
  await server.reset()
  await runRole(BENCH_ENTRY, [BARE_WORKER, server.url, socketPath, String(searches), String(concurrency)])
  const { calls, seconds } = await server.counted()
  return calls / seconds
}

async function loopedCallsPerSecond(server: FastServer, searches: number): Promise<number> {
  await server.reset()
  await runRole(BENCH_ENTRY, [DOCUMENTED_LOOP, server.url, String(searches)])
  const { calls, seconds } = await server.counted()
  return calls / seconds
}

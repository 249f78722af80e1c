import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { startSimulator } from '../../src/simulator/simulator.js'
import { type PostgresServer, postgresBinaries, startPostgresServer } from '../postgres-server.js'
import { QUERY, writeCatalog } from './catalog-file.js'
import type { DbosOrder } from './dbos-worker.js'
import { type StoreName, startRole, withEnvironment } from './environment.js'
import { startFastServer, untilCalls } from './fast-server.js'
import type { Bench, Figure } from './figure.js'
import { DBOS_SUBMIT_ROLE, DBOS_WORKER_ROLE, runRole } from './role.js'

/**
 * Compares the program with DBOS Transact's queue, the usual choice with TypeScript and PostgreSQL: the same server
 * and searches, one worker each. Measures the calls per second, how much of a limit of 300 calls a minute is used, how
 * often it is exceeded, and how many searches are paid for twice after a `kill -9`.
 */

const CONCURRENCY = 50
const LIMIT = 300
const MINUTE_MS = 60_000
const DBOS = 'DBOS Transact'

export const peer: Bench = {
  name: 'peer',
  about: "the program and DBOS Transact's queue on PostgreSQL: speed, rate limit, kill -9",
  async run({ quick, stores, say }) {
    if (postgresBinaries() === null)
      return [{ ...figure('', 'calls a second', null, 'calls/s'), note: 'PostgreSQL is not installed' }]
    const programs = [...stores.map(program), dbos()]
    const figures: Figure[] = []
    for (const each of programs) {
      say(`calls a second: ${each.name}`)
      figures.push(await speed(each, quick ? 2000 : 10_000))
    }
    say(`a limit of ${LIMIT} calls a minute, all programs at once`)
    const minutes = quick ? 1 : 3
    figures.push(...(await Promise.all(programs.map((each) => limit(each, minutes)))).flat())
    for (const each of programs) {
      say(`kill -9: ${each.name}`)
      figures.push(await killed(each))
    }
    return figures
  },
}

/** A program under test: ours with one store, or DBOS. */
interface Program {
  readonly name: string
  /** Enqueues the searches, then gives `work` a way to start workers. `perMinute`: 0 sets no limit. */
  run<T>(setup: Setup, work: (workers: Workers) => Promise<T>): Promise<T>
}

interface Setup {
  readonly apiUrl: string
  readonly searches: number
  readonly concurrency: number
  readonly perMinute: number
}

interface Workers {
  start(): Promise<{ stop(): Promise<void>; kill(): Promise<void> }>
  /** Resolves when the program has stored an answer to every search. */
  finished(): Promise<void>
  /** How many calls it lists as of unknown outcome. Null: it keeps no such list. */
  unknownOutcomes(): Promise<number | null>
}

function program(store: StoreName): Program {
  return {
    name: `the program, ${store}`,
    run: ({ apiUrl, searches, concurrency }, work) =>
      withEnvironment(
        apiUrl,
        { TRACKYARD_CONCURRENCY: String(concurrency) },
        async (environment) => {
          const catalog = await writeCatalog(environment.dir, 'peer', searches)
          await environment.cli(['submit', catalog, '--query', QUERY, '--yes', '--json'])
          return work({
            start: environment.startWorker,
            finished: async () => void (await environment.cli(['wait', '--timeout', '240'])),
            unknownOutcomes: async () =>
              JSON.parse((await environment.cli(['status', '--json'])).stdout).credits.unknown_outcomes,
          })
        },
        store,
      ),
  }
}

function dbos(): Program {
  return {
    name: DBOS,
    run: async ({ apiUrl, searches, concurrency, perMinute }, work) => {
      const dir = await mkdtemp(join(tmpdir(), 'bench-'))
      const server = await startPostgresServer({ settings: { fsync: 'on', shared_buffers: '512MB' } })
      try {
        const order: DbosOrder = { databaseUrl: await server.createDatabase('dbos'), concurrency, perMinute }
        await runRole([DBOS_SUBMIT_ROLE, JSON.stringify(order), String(searches)])
        return await work({
          start: () => startDbos(order, apiUrl),
          finished: () => untilNoneIsLeft(server),
          unknownOutcomes: async () => null,
        })
      } finally {
        await server.close()
        await rm(dir, { recursive: true, force: true })
      }
    },
  }
}

async function startDbos(order: DbosOrder, apiUrl: string) {
  const child = startRole([DBOS_WORKER_ROLE, JSON.stringify(order), apiUrl], ['pipe', 'pipe', 'inherit'])
  const ended = once(child, 'exit')
  // Its only line is `READY`.
  await Promise.race([
    once(child.stdout ?? child, 'data'),
    ended.then(([code]) => Promise.reject(new Error(`${DBOS_WORKER_ROLE} ended with ${code}`))),
  ])
  return {
    async stop() {
      child.stdin?.end()
      await ended
    },
    async kill() {
      child.kill('SIGKILL')
      await ended
    },
  }
}

async function speed(each: Program, searches: number): Promise<Figure> {
  const server = await startFastServer(0)
  try {
    return await each.run({ apiUrl: server.url, searches, concurrency: CONCURRENCY, perMinute: 0 }, async (workers) => {
      await server.reset()
      const worker = await workers.start()
      const { calls, seconds } = await untilCalls(server, searches)
      await worker.stop()
      return figure(each.name, 'calls a second', calls / seconds, 'calls/s', `0 ms server, ${searches} searches`)
    })
  } finally {
    await server.close()
  }
}

/** Counts from a minute after the first call on, because a program may begin with a burst of a whole minute's calls. */
async function limit(each: Program, minutes: number): Promise<Figure[]> {
  const simulator = await startSimulator({
    tier: 'pro',
    credits: 1_000_000,
    perMinute: LIMIT,
    limitKind: 'sliding',
    latencyMs: [80, 320],
    tracksPerAnswer: 20,
  })
  try {
    const searches = (minutes + 2) * LIMIT
    const setup = { apiUrl: simulator.url, searches, concurrency: CONCURRENCY, perMinute: LIMIT }
    return await each.run(setup, async (workers) => {
      const worker = await workers.start()
      await simulator.waitForCalls(1, MINUTE_MS)
      await sleep((minutes + 1) * MINUTE_MS)
      const calls = simulator.calls()
      await worker.stop()
      const from = (calls[0]?.receivedAt ?? 0) + MINUTE_MS
      const passed = calls.filter(
        ({ status, receivedAt }) => status !== 429 && receivedAt >= from && receivedAt < from + minutes * MINUTE_MS,
      )
      const refused = calls.filter(({ status }) => status === 429).length
      const note = `sliding window, ${minutes} min after the first minute`
      return [
        figure(
          each.name,
          `use of ${LIMIT} a minute`,
          (passed.length * 100) / (minutes * LIMIT),
          '% of the limit',
          note,
        ),
        figure(each.name, 'answered 429', refused, 'calls', `of ${calls.length}`),
      ]
    })
  } finally {
    await simulator.close()
  }
}

const KILLED_SEARCHES = 600
const KILLS_AT = [100, 250, 400] as const

/** Kills three workers in a row and starts a new one after each. At the end all searches are answered. */
async function killed(each: Program): Promise<Figure> {
  const simulator = await startSimulator({
    tier: 'pro',
    credits: 1_000_000,
    perMinute: 1_000_000,
    latencyMs: [80, 320],
    tracksPerAnswer: 20,
  })
  try {
    const setup = { apiUrl: simulator.url, searches: KILLED_SEARCHES, concurrency: 10, perMinute: 0 }
    return await each.run(setup, async (workers) => {
      for (const calls of KILLS_AT) {
        const worker = await workers.start()
        await simulator.waitForCalls(calls, 2 * MINUTE_MS)
        await worker.kill()
      }
      const last = await workers.start()
      await workers.finished()
      await last.stop()
      const { paidTwice } = simulator.summary()
      const unknown = await workers.unknownOutcomes()
      const listed = unknown === null ? 'listed nowhere' : `${unknown} calls listed as of unknown outcome`
      const note = `${KILLS_AT.length} kills with 10 calls in flight, ${KILLED_SEARCHES} searches; ${listed}`
      return figure(each.name, 'paid twice after kill -9', paidTwice.length, 'searches', note)
    })
  } finally {
    await simulator.close()
  }
}

async function untilNoneIsLeft(server: PostgresServer): Promise<void> {
  const until = performance.now() + 4 * MINUTE_MS
  const left = "select count(*) from dbos.workflow_status where status <> 'SUCCESS'"
  while (Number(await server.query(left, 'dbos')) > 0) {
    if (performance.now() > until) throw new Error(`${DBOS} did not finish its searches within four minutes`)
    await sleep(200)
  }
}

function figure(who: string, what: string, value: number | null, unit: string, note = ''): Figure {
  return { bench: 'peer', what: `${what}: ${who === '' ? DBOS : who}`, value, unit, aim: null, note }
}

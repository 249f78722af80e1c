import { existsSync } from 'node:fs'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import Database from 'better-sqlite3'
import { silentLogger } from '../../src/domain/logger.js'
import { findPrivateRedis } from '../../src/queue/private-redis/private-redis.js'
import { openSearchQueue } from '../../src/queue/search-queue.js'
import { expectAccounted, figure, openCalls, readLedger, untilDone } from '../support/ledger.js'
import { SHORT } from '../support/short-settings.js'
import {
  catalogText,
  logLines,
  QUERY,
  type SystemOptions,
  type SystemUnderTest,
  withSystem,
} from '../support/system-under-test.js'
import { until } from '../support/until.js'

/**
 * A worker dies by SIGKILL at one exact point of a search's path; another one finishes the night. Whatever
 * the point, the books must balance: see `expectAccounted`.
 */
const ROWS = 24
const TIMEOUT_MS = 240_000
const REFUSED = 'scene 5 '

function duringNight(
  play: (system: SystemUnderTest) => Promise<void>,
  { simulator, env }: SystemOptions = {},
): Promise<void> {
  const options = {
    simulator: { noMatchRate: 0, latencyMs: 30, ...simulator },
    env: { ...SHORT, TRACKYARD_CONCURRENCY: '4', ...env },
  }
  return withSystem(options, play)
}

async function submit(system: SystemUnderTest, env: Record<string, string> = {}): Promise<void> {
  const path = await system.file('films.csv', catalogText(ROWS))
  const done = await system.cli(['submit', path, '--query', QUERY, '--yes'], { env })
  expect({ code: done.code, said: done.stderr }).toMatchObject({ code: 0 })
}

/** Resolves when it has died of its own hand. Returns how many calls it left open. */
async function workerKilled(system: SystemUnderTest, at: string): Promise<number> {
  const victim = system.start('test/support/killed-worker.mjs', [], { KILL_AT: at })
  const { signal, code } = await victim.exited
  expect({ signal, code, log: signal === 'SIGKILL' ? '' : victim.stderr() }).toMatchObject({ signal: 'SIGKILL' })
  return openCalls(system)
}

async function finishedByAnother(system: SystemUnderTest): Promise<void> {
  await system.worker()
  await untilDone(system)
}

describe('a worker is killed', () => {
  test.concurrent.each([
    ['before the claim', 'before store.calls.claim 7'],
    ['after the claim is committed and before anything is sent', 'after store.calls.claim 7'],
    ['after the answer and before its commit', 'before store.calls.close 7'],
    ['after the commit and before the job is completed', 'after store.calls.close 7'],
  ])(
    '%s: every row is tagged, and each call in flight is listed as of unknown outcome',
    async (_, at) => {
      await duringNight(async (system) => {
        await submit(system)
        const inFlight = await workerKilled(system, at)
        expect(inFlight).toBeLessThanOrEqual(4)
        await finishedByAnother(system)
        await expectAccounted(system, { rows: ROWS, unknown: inFlight })
      })
    },
    TIMEOUT_MS,
  )

  test.concurrent.each([
    ['a refusal before it is checked', 'before store.calls.refusalHistory', 1],
    ['a refusal before its end is committed', 'before store.calls.close 6', 1],
    ['a refusal that is committed, its job not yet deferred', 'after store.calls.close 6', 0],
  ])(
    'with %s in hand: it ends as a dead letter, the others are paid once',
    async (_, at, open) => {
      await duringNight(
        async (system) => {
          await submit(system)
          const inFlight = await workerKilled(system, at)
          expect(inFlight).toBe(open)
          await finishedByAnother(system)
          // Nobody claims a dead search again: maintenance gives its call up.
          await until(() => openCalls(system) === 0, { timeoutMs: 120_000, what: 'the end of every call' })
          await expectAccounted(system, { rows: ROWS, unknown: inFlight, status: deadOrTagged })
          expect(system.simulator.paid()).toBe(ROWS - 1)
        },
        {
          simulator: { faults: [{ match: REFUSED, does: { status: 402 } }] },
          env: { TRACKYARD_CONCURRENCY: '1' },
        },
      )
    },
    TIMEOUT_MS,
  )

  test.concurrent.each([
    ['a pause', { credits: 6 }, 'select count(*) from pause'],
    [
      'a rate limit',
      { faults: [{ skip: 6, timesInTotal: 1, ms: 600_000, does: { status: 429 } }] },
      "select count(*) from meta where key = 'hold_until'",
    ],
  ])(
    'with %s in the store but not in Redis: no call is made, and Redis gets it',
    async (_, simulator, inStore) => {
      await duringNight(
        async (system) => {
          await submit(system)
          expect(await workerKilled(system, 'after store.calls.close 7')).toBe(0)
          expect(figure(system, inStore)).toBe(1)
          expect(await isStopped(system)).toBe(false)
          await system.worker()
          await until(() => isStopped(system), { timeoutMs: 60_000, what: 'the stop in Redis' })
          expect(system.simulator.calls()).toHaveLength(7)
          system.simulator.topUp(ROWS)
          expect((await system.cli(['resume'])).code).toBe(0)
          await untilDone(system)
          await expectAccounted(system, { rows: ROWS, unknown: 0 })
          expect(system.simulator.calls()).toHaveLength(ROWS + 1)
        },
        { simulator, env: { TRACKYARD_CONCURRENCY: '1' } },
      )
    },
    TIMEOUT_MS,
  )

  test.concurrent(
    'with its requests on the wire: they are paid at most once more',
    async () => {
      await duringNight(
        async (system) => {
          await submit(system)
          const victim = await system.startWorker()
          await system.simulator.waitForCalls(10, 120_000)
          victim.kill('SIGKILL')
          await victim.exited
          const inFlight = openCalls(system)
          expect(inFlight).toBeGreaterThan(0)
          await finishedByAnother(system)
          await expectAccounted(system, { rows: ROWS, unknown: inFlight })
          // A call that was written down may not have reached the wire.
          const again = system.simulator.calls().length - ROWS
          expect(again).toBeGreaterThan(0)
          expect(again).toBeLessThanOrEqual(inFlight)
        },
        { simulator: { latencyMs: 300 } },
      )
    },
    TIMEOUT_MS,
  )

  test.concurrent.each([
    ['half of the jobs are added', 'half queue.searches.add'],
    ['the jobs are added and not yet marked', 'before store.feed.markQueued'],
  ])(
    'while it feeds, when %s: every search is called once',
    async (_, at) => {
      await duringNight(async (system) => {
        // Redis out of reach: the submit leaves the feeding to the worker.
        await submit(system, { TRACKYARD_REDIS_URL: 'redis://127.0.0.1:1' })
        expect(await workerKilled(system, at)).toBe(0)
        await finishedByAnother(system)
        await expectAccounted(system, { rows: ROWS, unknown: 0 })
        expect(system.simulator.calls()).toHaveLength(ROWS)
      })
    },
    TIMEOUT_MS,
  )

  test.concurrent.each([
    ['before its dead letter is added', 'before queue.deadLetters.add'],
    ['after its dead letter is added and before the failed job is removed', 'before queue.searches.removeFailed'],
  ])(
    '%s: one dead letter stands in the list, called once',
    async (_, at) => {
      await duringNight(
        async (system) => {
          await submit(system)
          const inFlight = await workerKilled(system, at)
          await finishedByAnother(system)
          await until(async () => (await lettersParked(system)) === 1, {
            timeoutMs: 120_000,
            what: 'the dead letter',
          })
          expect(await system.deadLetters()).toHaveLength(1)
          await expectAccounted(system, { rows: ROWS, unknown: inFlight, status: deadOrTagged })
          expect(system.simulator.calls().filter((call) => call.query.startsWith(REFUSED))).toHaveLength(1)
        },
        { simulator: { faults: [{ match: REFUSED, does: { status: 403 } }] } },
      )
    },
    TIMEOUT_MS,
  )

  test.concurrent.each([
    ['before', 'before store.deadLetters.retryOne'],
    ['after', 'after store.deadLetters.retryOne'],
  ])(
    'between the press of Retry and the end of it, %s the new round: the search is called once more',
    async (_, at) => {
      await duringNight(
        async (system) => {
          await submit(system)
          const first = await system.worker()
          expect((await system.cli(['wait', '--timeout', '120'])).code).toBe(6)
          await until(async () => (await lettersFailed(system)).length === 1, {
            timeoutMs: 120_000,
            what: 'the letter',
          })
          await first.stop()
          const victim = system.start('test/support/killed-worker.mjs', [], { KILL_AT: at })
          await victim.waitForEvent('worker.started')
          await pressRetry(system)
          expect((await victim.exited).signal).toBe('SIGKILL')
          system.simulator.clearFault()
          await system.worker()
          await until(() => figure(system, "select count(*) from search where state = 'answered'") === ROWS, {
            timeoutMs: 100_000,
            what: 'the answer after the retry',
          })
          await until(async () => (await lettersParked(system)) === 0, { timeoutMs: 120_000, what: 'the empty list' })
          await expectAccounted(system, { rows: ROWS, unknown: 0 })
          expect(system.simulator.calls().filter((call) => call.query.startsWith(REFUSED))).toHaveLength(2)
        },
        { simulator: { faults: [{ match: REFUSED, does: { status: 403 } }] } },
      )
    },
    TIMEOUT_MS,
  )
})

describe('a command is killed', () => {
  test.concurrent(
    'in the middle of loading: nothing is spent, a worker drops what it left, and the same file again is whole',
    async () => {
      await duringNight(async (system) => {
        const loading = system.start(
          'dist/scripts/trackyard-batch.js',
          ['submit', '-', '--query', QUERY, '--yes'],
          {},
          'open',
        )
        loading.child.stdin?.write(catalogText(20_000))
        await until(() => existsSync(join(system.dataDir, 'trackyard.db')) && itemsLoaded(system) > 0, {
          timeoutMs: 120_000,
          what: 'the first rows in the store',
        })
        loading.kill('SIGKILL')
        expect((await loading.exited).signal).toBe('SIGKILL')
        // A minute later.
        change(system, "update batch set heard_at = 0 where state = 'loading'")
        const worker = await system.worker()
        await worker.waitForEvent('batch.abandoned')
        expect((await system.status()).batches).toEqual([])
        expect(itemsLoaded(system)).toBe(0)
        await submit(system)
        expect((await system.cli(['wait', '--timeout', '120'])).code).toBe(0)
        await expectAccounted(system, { rows: ROWS, unknown: 0 })
        expect(system.simulator.calls()).toHaveLength(ROWS)
        // A submit that a busy machine stops within a change locks out the worker's chores: no fault of theirs.
        const ofTheLock = /was locked by another process/
        const errors = logLines(worker.stderr()).filter(({ level }) => level === 'error')
        expect(errors.filter((line) => !ofTheLock.test(JSON.stringify(line)))).toEqual([])
      })
    },
    TIMEOUT_MS,
  )

  test.concurrent.each([
    ['before', 0],
    ['after', ROWS],
  ])(
    '%s its release is committed: %i searches are due',
    async (when, due) => {
      await duringNight(async (system) => {
        const path = await system.file('films.csv', catalogText(ROWS))
        const at = { KILL_AT: `${when} store.batches.release` }
        const victim = system.start('test/support/killed-submit.mjs', [path, QUERY], at)
        const { signal, stderr } = await victim.exited
        expect({ signal, stderr }).toEqual({ signal: 'SIGKILL', stderr: '' })
        expect((await system.status()).queue.waiting).toBe(due)
        await submit(system)
        await finishedByAnother(system)
        await expectAccounted(system, { rows: ROWS, unknown: 0 })
        expect(system.simulator.calls()).toHaveLength(ROWS)
      })
    },
    TIMEOUT_MS,
  )

  test.concurrent(
    'in the middle of an export: the file of before still stands, and the next export is whole',
    async () => {
      await duringNight(
        async (system) => {
          const rows = 1000
          const path = await system.file('films.csv', catalogText(rows))
          await system.cli(['submit', path, '--query', QUERY, '--yes'])
          await finishedByAnother(system)
          const out = join(system.dir, 'tagged.csv')
          await writeFile(out, 'of before')
          const victim = system.start('test/support/killed-export.mjs', [out, '600'])
          const { signal, stderr } = await victim.exited
          expect({ signal, stderr }).toEqual({ signal: 'SIGKILL', stderr: '' })
          expect(await temporaries(system)).toHaveLength(1)
          expect(await readFile(out, 'utf8')).toBe('of before')
          expect((await system.cli(['export', '--out', out])).code).toBe(0)
          expect((await readFile(out, 'utf8')).trimEnd().split('\n')).toHaveLength(rows + 1)
          expect(readLedger(system).integrity).toBe('ok')
        },
        { simulator: { latencyMs: 0 }, env: { TRACKYARD_CONCURRENCY: '20' } },
      )
    },
    TIMEOUT_MS,
  )
})

function deadOrTagged(id: string): string {
  return id === 'r6' ? 'dead' : 'tagged'
}

function change(system: SystemUnderTest, statement: string): void {
  const db = new Database(join(system.dataDir, 'trackyard.db'))
  db.exec(statement)
  db.close()
}

function itemsLoaded(system: SystemUnderTest): number {
  try {
    return figure(system, 'select count(*) from item')
  } catch {
    return 0
  }
}

async function temporaries(system: SystemUnderTest): Promise<readonly string[]> {
  return (await readdir(system.dir)).filter((name) => name.endsWith('.tmp'))
}

/** Through BullMQ's own objects, as Bull Board does it. */
async function withQueue<T>(
  system: SystemUnderTest,
  use: (queue: Awaited<ReturnType<typeof openSearchQueue>>) => Promise<T>,
): Promise<T> {
  const connection = { socketPath: await socketOf(system) }
  const queue = await openSearchQueue({ connection, log: silentLogger, patienceMs: 30_000 })
  try {
    return await use(queue)
  } finally {
    await queue.close()
  }
}

/** A private Redis that does not answer within two seconds counts as none: it is asked again. */
async function socketOf(system: SystemUnderTest): Promise<string> {
  let socketPath = ''
  const isFound = async (): Promise<boolean> => {
    socketPath = (await findPrivateRedis({ dataDir: system.dataDir }))?.socketPath ?? ''
    return socketPath !== ''
  }
  await until(isFound, { timeoutMs: 120_000, what: 'the private Redis' })
  return socketPath
}

/** By a pause or a rate limit, as Redis has it. */
const isStopped = (system: SystemUnderTest): Promise<boolean> =>
  withQueue(system, async ({ throttle }) => (await throttle.isPaused()) || (await throttle.rateLimitedUntil()) !== null)
const lettersParked = (system: SystemUnderTest): Promise<number> =>
  withQueue(system, (queue) => queue.boardQueues.deadLetters.getJobCountByTypes())
const lettersFailed = (system: SystemUnderTest) =>
  withQueue(system, (queue) => queue.boardQueues.deadLetters.getFailed())

async function pressRetry(system: SystemUnderTest): Promise<void> {
  await withQueue(system, async ({ boardQueues }) => {
    for (const job of await boardQueues.deadLetters.getFailed()) await job.retry('failed')
  })
}

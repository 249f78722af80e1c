import { copyFileSync, existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs'
import { chmod, mkdir, open, rename, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect } from '@jest/globals'
import Database from 'better-sqlite3'
import { PATIENT } from '../support/short-settings.js'
import { type Process, type SystemUnderTest, systemTest } from '../support/system-under-test.js'
import { until } from '../support/until.js'

/**
 * The store is deleted, replaced, moved, cut off or overwritten under a worker that makes calls. The simulator counts: from
 * then on only calls that were in flight are paid, and each paid answer is on disk when the worker has stopped.
 */
const ROWS = 250
const CALLS_AT_A_TIME = 5
const store = (system: SystemUnderTest) => join(system.dataDir, 'trackyard.db')

/** A worker makes calls, five at a time. From then on its store is damaged in some way. */
function damageTest(claim: string, play: (system: SystemUnderTest, worker: Process) => Promise<void>): void {
  const options = {
    // Slow enough that a worker that did not notice would still make calls at the end. `clearFault` makes it fast.
    simulator: { noMatchRate: 0, faults: [{ does: 'late', ms: 400 }] },
    env: { ...PATIENT, TRACKYARD_CONCURRENCY: String(CALLS_AT_A_TIME) },
  } as const
  systemTest(claim, options, async (system) => {
    await system.submit(ROWS)
    const worker = await system.startWorker()
    await system.simulator.waitForCalls(30, 120_000)
    await play(system, worker)
  })
}

/** Once it is noticed, only calls that were in flight arrive, and then the server hears nothing more. */
async function expectCallsToStop(
  system: SystemUnderTest,
  worker: Process,
  noticed: RegExp,
  before: number,
): Promise<void> {
  const { simulator } = system
  await worker.waitForEvent('store.lost', { text: noticed })
  // On a busy machine a call that was begun before may still be on its way.
  let made = -1
  const isQuiet = async (): Promise<boolean> => {
    made = simulator.calls().length
    // Long enough for thirty calls of a worker that goes on.
    await sleep(2500)
    return simulator.calls().length === made && simulator.paid() === made
  }
  await until(isQuiet, { timeoutMs: 120_000, what: 'the end of the calls in flight' })
  expect(made - before).toBeLessThanOrEqual(2 * CALLS_AT_A_TIME)
  expect(worker.child.exitCode).toBeNull()
}

async function stop(worker: Process): Promise<void> {
  worker.kill('SIGTERM')
  expect(await worker.exited).toMatchObject({ code: 0, signal: null })
}

function answersIn(path: string): number {
  const db = new Database(path, { readonly: true })
  try {
    expect(db.pragma('integrity_check', { simple: true })).toBe('ok')
    return Number(db.prepare('select count(*) from answer').pluck().get())
  } finally {
    db.close()
  }
}

function beside(system: SystemUnderTest, pattern: RegExp): string[] {
  return readdirSync(system.dataDir)
    .filter((name) => pattern.test(name))
    .map((name) => join(system.dataDir, name))
}

const RESCUED = /^trackyard\.rescued-.*\.db$/
const UNSAVED = /^trackyard\.unsaved-.*\.jsonl$/

/** The one copy holds every paid answer, for its owner alone. */
function expectRescued(system: SystemUnderTest): string {
  const copies = beside(system, RESCUED)
  expect(copies).toHaveLength(1)
  const [copy = ''] = copies
  expect(answersIn(copy)).toBe(system.simulator.paid())
  expect((statSync(copy).mode & 0o777).toString(8)).toBe('600')
  return copy
}

function removeStore(system: SystemUnderTest): void {
  for (const ending of ['', '-wal', '-shm']) rmSync(store(system) + ending, { force: true })
}

async function expectNight(system: SystemUnderTest): Promise<void> {
  system.simulator.clearFault()
  const worker = await system.startWorker()
  expect((await system.cli(['wait'])).code).toBe(0)
  await stop(worker)
  expect(system.simulator.calls()).toHaveLength(ROWS)
  expect(system.simulator.paidTwice()).toEqual([])
  expect(answersIn(store(system))).toBe(ROWS)
}

describe('the store goes while a worker makes calls', () => {
  damageTest('deleted: calls stop, all is copied, and the copy goes on', async (system, worker) => {
    removeStore(system)
    await expectCallsToStop(system, worker, /was deleted while in use/, system.simulator.calls().length)
    await worker.waitForEvent('store.lost', { text: /paid answers included, is saved in .*rescued-/ })
    // It says so with its next heartbeat.
    let health = { code: 0 as number | null, stdout: '' }
    const isUnhealthy = async () => {
      health = await system.cli(['worker', '--healthy'])
      return health.code === 1
    }
    await until(isUnhealthy, { timeoutMs: 60_000, what: () => `an unhealthy worker, not ${health.stdout}` })
    expect(health.stdout).toMatch(/has lost its store.*was deleted while in use/s)
    // No command and no worker begins a new, empty one in its place.
    for (const refused of [await system.cli(['status']), await system.start('dist/workers/worker.js').exited]) {
      expect(refused.code).toBe(78)
      expect(refused.stderr).toMatch(
        /trackyard\.db is gone, .*rescued-.* contains all its data\. .*rename \S+rescued-/s,
      )
    }
    await stop(worker)
    const copy = expectRescued(system)
    removeStore(system)
    renameSync(copy, store(system))
    await expectNight(system)
  })

  damageTest('deleted: board, wait and status --watch notice it too', async (system, worker) => {
    const board = system.start('dist/workers/board.js', [], { TRACKYARD_BOARD_PORT: '0' })
    const { url } = await board.waitForEvent('board.started')
    const ready = new URL('/readyz', String(url))
    expect((await fetch(ready)).status).toBe(200)
    const waiting = system.start('dist/scripts/trackyard-batch.js', ['wait'])
    const watching = system.start('dist/scripts/trackyard-batch.js', ['status', '--watch'])
    await until(() => watching.output() !== '', { timeoutMs: 120_000, what: 'a first look' })
    await waiting.waitForStderr(/searches|rows/)
    removeStore(system)
    for (const command of [waiting, watching]) {
      const { code, stderr } = await command.exited
      expect({ code, stderr }).toEqual({
        code: 3,
        stderr: expect.stringMatching(/was deleted while in use\. A running worker copies/),
      })
    }
    const answer = await fetch(ready)
    expect([answer.status, await answer.text()]).toEqual([503, expect.stringContaining('was deleted while in use')])
    await stop(worker)
    await stop(board)
    expectRescued(system)
  })

  damageTest('replaced by an older copy: nothing goes on by itself, and nothing is lost', async (system, worker) => {
    const before = system.simulator.calls().length
    const backup = join(system.dir, 'older.db')
    const db = new Database(store(system))
    await db.backup(backup)
    db.close()
    await rename(backup, store(system))
    await expectCallsToStop(system, worker, /Another file was put in the place of the store/, before)
    await until(async () => /lost the store at/.test((await system.status()).queue.reason), {
      timeoutMs: 120_000,
      what: 'status to say so',
    })
    await stop(worker)
    expectRescued(system)
  })

  damageTest(
    'moved away, then made unreadable: calls stop, and go on when it is right again',
    async (system, worker) => {
      const { simulator } = system
      await mkdir(join(system.dir, 'away'))
      await rename(store(system), join(system.dir, 'away', 'trackyard.db'))
      await expectCallsToStop(system, worker, /was moved away \(to .*away\/trackyard\.db\)/, simulator.calls().length)
      await rename(join(system.dir, 'away', 'trackyard.db'), store(system))
      await worker.waitForEvent('store.found')
      await simulator.waitForCalls(simulator.calls().length + CALLS_AT_A_TIME, 120_000)
      await chmod(store(system), 0o000)
      await expectCallsToStop(
        system,
        worker,
        /permissions of the store .* do not allow reading and writing any more \(000\)/,
        simulator.calls().length,
      )
      await chmod(store(system), 0o600)
      simulator.clearFault()
      await worker.waitForEvent('store.found', { count: 2 })
      expect((await system.cli(['wait'])).code).toBe(0)
      await stop(worker)
      expect(simulator.calls()).toHaveLength(ROWS)
      expect(answersIn(store(system))).toBe(ROWS)
      expect(beside(system, RESCUED)).toEqual([])
    },
  )

  damageTest('the log is deleted: calls stop, and a clean restart has lost nothing', async (system, worker) => {
    rmSync(`${store(system)}-wal`)
    await expectCallsToStop(
      system,
      worker,
      /The log of the store was deleted while in use/,
      system.simulator.calls().length,
    )
    await stop(worker)
    expect(answersIn(store(system))).toBe(system.simulator.paid())
    await expectNight(system)
  })

  damageTest('cut off: calls stop, and what is paid after that is kept beside it', async (system, worker) => {
    const committed = committedAnswers(system)
    await truncate(store(system), 0)
    await expectCallsToStop(system, worker, /is damaged|was cut off at 0 bytes/, system.simulator.calls().length)
    await stop(worker)
    expectPaidOnDisk(system, committed)
  })

  damageTest(
    'overwritten with garbage: calls stop, and what is paid after that is kept beside it',
    async (system, worker) => {
      const other = new Database(store(system))
      other.pragma('wal_checkpoint(PASSIVE)')
      const committed = committedAnswers(system)
      other.close()
      const size = statSync(store(system)).size
      const file = await open(store(system), 'r+')
      const bytes = Math.floor(size / 3)
      await file.write(Buffer.alloc(bytes, 0xa5), 0, bytes, bytes)
      await file.close()
      // What is cached is not read again: the check of the whole file finds it.
      await worker.waitForEvent('store.lost', { text: /is damaged/ })
      await expectCallsToStop(system, worker, /is damaged/, system.simulator.calls().length)
      await stop(worker)
      expectPaidOnDisk(system, committed)
    },
  )
})

/** A copy of store and log as they are at this moment, committed answers by their queries. */
function committedAnswers(system: SystemUnderTest): readonly string[] {
  const copy = join(system.dir, 'committed.db')
  for (const ending of ['', '-wal'])
    if (existsSync(store(system) + ending)) copyFileSync(store(system) + ending, copy + ending)
  return queriesAnsweredIn(copy)
}

function queriesAnsweredIn(path: string): readonly string[] {
  const db = new Database(path, { readonly: true })
  try {
    const requests = db.prepare('select request from search join answer on answer.search_id = search.id').pluck().all()
    return requests.map((request) => (JSON.parse(String(request)) as { query: string }).query)
  } finally {
    db.close()
  }
}

/** Answered before it happened, in a sound copy, or in the file of what the store may not have kept. */
function expectPaidOnDisk(system: SystemUnderTest, committed: readonly string[]): void {
  const unsaved = beside(system, UNSAVED).flatMap((path) => readFileSync(path, 'utf8').trim().split('\n'))
  const kept = new Set([
    ...committed,
    ...beside(system, RESCUED).flatMap(queriesAnsweredIn),
    ...unsaved
      .map((line) => JSON.parse(line) as { query: string; end: { decision: { body?: string } } })
      .flatMap(({ query, end }) => (end.decision.body === undefined ? [] : [query])),
  ])
  const paid = system.simulator.calls().map((call) => call.query)
  expect(paid.filter((query) => query !== null && !kept.has(query))).toEqual([])
  expect(paid.length).toBeGreaterThanOrEqual(committed.length)
}

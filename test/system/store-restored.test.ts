import { copyFileSync, existsSync, rmSync, statSync, truncateSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import Database from 'better-sqlite3'
import { DEFAULT_PREFIX } from '../../src/queue/search-queue.js'
import { untilDone } from '../support/ledger.js'
import { ask } from '../support/redis.js'
import { PATIENT } from '../support/short-settings.js'
import { type Process, type SystemUnderTest, startSystem } from '../support/system-under-test.js'
import { until } from '../support/until.js'

/** What a worker finds when it starts: no store beside its Redis, another one, an older one, a damaged one. */
const ROWS = 20
const store = (system: SystemUnderTest) => join(system.dataDir, 'trackyard.db')

/** All of it is answered, nothing runs any more but Redis. One backup was made before, and one after it. */
let system: SystemUnderTest
const older = () => join(system.dir, 'older.db')
const latest = () => join(system.dir, 'latest.db')

async function backUp(path: string): Promise<void> {
  const db = new Database(store(system))
  await db.backup(path)
  db.close()
}

beforeAll(async () => {
  system = await startSystem({ simulator: { noMatchRate: 0 }, env: PATIENT })
  await system.submit(ROWS)
  await backUp(older())
  const worker = await system.startWorker()
  await untilDone(system)
  await worker.waitForEvent('notification.created', { text: /is done: 20 of 20 rows/ })
  // A worker notes the latest call in Redis every two seconds.
  const latestCall = ['GET', `${DEFAULT_PREFIX}:latest-call`]
  const isNoted = async () => (await ask(join(system.dataDir, 'redis/redis.sock'), latestCall)).includes(`\n${ROWS}\r`)
  await until(isNoted, { timeoutMs: 60_000, what: 'the latest call in Redis' })
  await stop(worker)
  await backUp(latest())
}, 240_000)
afterAll(() => system.close())

/** In place of whatever is there. */
function restore(backup: string): void {
  removeStore()
  copyFileSync(backup, store(system))
}

function removeStore(): void {
  for (const ending of ['', '-wal', '-shm']) rmSync(store(system) + ending, { force: true })
}

async function stop(worker: Process): Promise<void> {
  worker.kill('SIGTERM')
  expect(await worker.exited).toMatchObject({ code: 0 })
}

async function expectRefused(sentence: RegExp): Promise<void> {
  const made = system.simulator.calls().length
  for (const refused of [await system.start('dist/workers/worker.js').exited, await system.cli(['status'])]) {
    expect(refused.code).toBe(78)
    expect(refused.stderr).toMatch(sentence)
  }
  expect(system.simulator.calls()).toHaveLength(made)
}

// A worker checks a small store itself, a larger one in a child process.
test.each([
  ['', 0],
  [' and above 4 MiB', 5 * 1024 * 1024],
])(
  'damaged while stopped%s: a worker and a command end with 78 and say what to do',
  async (_which, bytes) => {
    restore(latest())
    growTo(store(system), bytes)
    const size = statSync(store(system)).size
    expect(size).toBeGreaterThan(bytes)
    const file = await open(store(system), 'r+')
    await file.write(Buffer.alloc(size - 4096, 0xa5), 0, size - 4096, 4096)
    await file.close()
    await expectRefused(/trackyard\.db is damaged \(.*\)\. Stop everything .*Then restore a backup/s)
  },
  240_000,
)

/** By free pages at its end. */
function growTo(path: string, bytes: number): void {
  const db = new Database(path)
  db.exec(`create table pad (bytes blob); insert into pad values (zeroblob(${bytes})); drop table pad`)
  db.pragma('wal_checkpoint(TRUNCATE)')
  db.close()
}

test('emptied while stopped: the new store is told from the one that Redis knows', async () => {
  restore(latest())
  truncateSync(store(system), 0)
  await expectRefused(
    /The store looks lost: .*still holds the searches of store \S+, but .* created at \d{4}-.*remove \S+redis/s,
  )
}, 240_000)

test('an older backup: a worker says once how many calls are missing, and goes on', async () => {
  restore(older())
  const first = await system.startWorker()
  expect(first.logged('store.rollback_detected')).toMatchObject([{ missing: 20 }])
  await untilDone(system)
  await first.waitForEvent('notification.created', { text: /is done: 20 of 20 rows/ })
  await stop(first)
  const second = await system.startWorker()
  expect(second.logged('store.rollback_detected')).toEqual([])
  await stop(second)
}, 240_000)

test('deleted while stopped: refused beside its Redis, until somebody removes that too', async () => {
  const made = system.simulator.calls().length
  removeStore()
  await expectRefused(/trackyard\.db is missing, but its private Redis .* exists.*To begin with an empty store/s)
  expect(existsSync(store(system))).toBe(false)
  expect((await system.cli(['down'])).code).toBe(0)
  rmSync(join(system.dataDir, 'redis'), { recursive: true })
  const worker = await system.startWorker()
  await stop(worker)
  expect(system.simulator.calls()).toHaveLength(made)
}, 240_000)

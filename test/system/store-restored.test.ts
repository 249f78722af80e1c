import { existsSync, rmSync, statSync, truncateSync } from 'node:fs'
import { open, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from '@jest/globals'
import Database from 'better-sqlite3'
import { DEFAULT_PREFIX } from '../../src/queue/search-queue.js'
import { untilDone } from '../support/ledger.js'
import { ask } from '../support/redis.js'
import { PATIENT } from '../support/short-settings.js'
import { type Process, type SystemUnderTest, systemTest } from '../support/system-under-test.js'
import { until } from '../support/until.js'

/** What a worker finds when it starts: no store beside its Redis, another one, an older one, a damaged one. */
const ROWS = 20
const store = (system: SystemUnderTest) => join(system.dataDir, 'trackyard.db')

/** All of it is answered, nothing runs any more but Redis. A backup was made before. */
function afterOneNight(claim: string, play: (system: SystemUnderTest, backup: string) => Promise<void>): void {
  systemTest(claim, { simulator: { noMatchRate: 0 }, env: PATIENT }, async (system) => {
    await system.submit(ROWS)
    const backup = join(system.dir, 'backup.db')
    const db = new Database(store(system))
    await db.backup(backup)
    db.close()
    const worker = await system.startWorker()
    await untilDone(system)
    await worker.waitForEvent('notification.created', { text: /is done: 20 of 20 rows/ })
    // A worker notes the latest call in Redis every two seconds.
    const latestCall = ['GET', `${DEFAULT_PREFIX}:latest-call`]
    const isNoted = async () =>
      (await ask(join(system.dataDir, 'redis/redis.sock'), latestCall)).includes(`\n${ROWS}\r`)
    await until(isNoted, { timeoutMs: 60_000, what: 'the latest call in Redis' })
    await stop(worker)
    await play(system, backup)
  })
}

async function stop(worker: Process): Promise<void> {
  worker.kill('SIGTERM')
  expect(await worker.exited).toMatchObject({ code: 0 })
}

async function expectRefused(system: SystemUnderTest, sentence: RegExp): Promise<void> {
  for (const refused of [await system.start('dist/workers/worker.js').exited, await system.cli(['status'])]) {
    expect(refused.code).toBe(78)
    expect(refused.stderr).toMatch(sentence)
  }
  expect(system.simulator.calls()).toHaveLength(ROWS)
}

afterOneNight('deleted while stopped: refused beside its Redis, until somebody removes that too', async (system) => {
  for (const ending of ['', '-wal', '-shm']) rmSync(store(system) + ending, { force: true })
  await expectRefused(
    system,
    /trackyard\.db is missing, but its private Redis .* exists.*To begin with an empty store/s,
  )
  expect(existsSync(store(system))).toBe(false)
  expect((await system.cli(['down'])).code).toBe(0)
  rmSync(join(system.dataDir, 'redis'), { recursive: true })
  const worker = await system.startWorker()
  await stop(worker)
  expect(system.simulator.calls()).toHaveLength(ROWS)
})

afterOneNight('emptied while stopped: the new store is told from the one that Redis knows', async (system) => {
  truncateSync(store(system), 0)
  await expectRefused(
    system,
    /The store looks lost: .*still holds the searches of store \S+, but .* created at \d{4}-.*remove \S+redis/s,
  )
})

afterOneNight('an older backup: a worker says once how many calls are missing, and goes on', async (system, backup) => {
  await rename(backup, store(system))
  const first = await system.startWorker()
  expect(first.logged('store.rollback_detected')).toMatchObject([{ missing: 20 }])
  await untilDone(system)
  await first.waitForEvent('notification.created', { text: /is done: 20 of 20 rows/ })
  await stop(first)
  const second = await system.startWorker()
  expect(second.logged('store.rollback_detected')).toEqual([])
})

// A worker checks a small store itself, a larger one in a child process.
for (const [which, bytes] of [
  ['', 0],
  [' and above 4 MiB', 5 * 1024 * 1024],
] as const)
  afterOneNight(
    `damaged while stopped${which}: a worker and a command end with 78 and say what to do`,
    async (system) => {
      growTo(store(system), bytes)
      const size = statSync(store(system)).size
      expect(size).toBeGreaterThan(bytes)
      const file = await open(store(system), 'r+')
      await file.write(Buffer.alloc(size - 4096, 0xa5), 0, size - 4096, 4096)
      await file.close()
      await expectRefused(system, /trackyard\.db is damaged \(.*\)\. Stop everything .*Then restore a backup/s)
    },
  )

/** By free pages at its end. */
function growTo(path: string, bytes: number): void {
  const db = new Database(path)
  db.exec(`create table pad (bytes blob); insert into pad values (zeroblob(${bytes})); drop table pad`)
  db.pragma('wal_checkpoint(TRUNCATE)')
  db.close()
}

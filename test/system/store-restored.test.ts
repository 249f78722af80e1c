import { existsSync, rmSync, statSync, truncateSync } from 'node:fs'
import { open, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, expect, test } from '@jest/globals'
import Database from 'better-sqlite3'
import { untilDone } from '../support/ledger.js'
import { PATIENT } from '../support/short-settings.js'
import { catalogText, type Process, QUERY, type SystemUnderTest, startSystem } from '../support/system-under-test.js'

/** What a worker finds when it starts: no store beside its Redis, another one, an older one, a damaged one. */
let system: SystemUnderTest
afterEach(() => system.close())

const ROWS = 20
const store = () => join(system.dataDir, 'trackyard.db')

/** All of it is answered, nothing runs any more but Redis. A backup was made before. */
async function oneNight(): Promise<{ readonly backup: string }> {
  system = await startSystem({ simulator: { noMatchRate: 0 }, env: PATIENT })
  const path = await system.file('films.csv', catalogText(ROWS))
  expect((await system.cli(['submit', path, '--query', QUERY, '--yes'])).code).toBe(0)
  const backup = join(system.dir, 'backup.db')
  const db = new Database(store())
  await db.backup(backup)
  db.close()
  const worker = await system.startWorker()
  await untilDone(system)
  // Its look at the latest call comes every two seconds.
  await worker.waitForEvent('notification.sent', { text: /is done: 20 rows/ })
  await stop(worker)
  return { backup }
}

async function stop(worker: Process): Promise<void> {
  worker.kill('SIGTERM')
  expect(await worker.exited).toMatchObject({ code: 0 })
}

async function expectRefused(sentence: RegExp): Promise<void> {
  for (const refused of [await system.start('dist/workers/worker.js').exited, await system.cli(['status'])]) {
    expect(refused.code).toBe(78)
    expect(refused.stderr).toMatch(sentence)
  }
  expect(system.simulator.calls()).toHaveLength(ROWS)
}

test('deleted while stopped: refused beside its Redis, until somebody removes that too', async () => {
  await oneNight()
  for (const ending of ['', '-wal', '-shm']) rmSync(store() + ending, { force: true })
  await expectRefused(/trackyard\.db is missing, but its private Redis .* exists.*To begin with an empty store/s)
  expect(existsSync(store())).toBe(false)
  expect((await system.cli(['down'])).code).toBe(0)
  rmSync(join(system.dataDir, 'redis'), { recursive: true })
  const worker = await system.startWorker()
  await stop(worker)
  expect(system.simulator.calls()).toHaveLength(ROWS)
}, 240_000)

test('emptied while stopped: the new store is told from the one that Redis knows', async () => {
  await oneNight()
  truncateSync(store(), 0)
  await expectRefused(
    /The store looks lost: .*still holds the searches of store \S+, but .* created at \d{4}-.*remove \S+redis/s,
  )
}, 240_000)

test('an older backup: a worker says once how many calls are missing, and goes on', async () => {
  const { backup } = await oneNight()
  await rename(backup, store())
  const first = await system.startWorker()
  expect(first.logged('store.rollback_detected')).toMatchObject([{ missing: 20 }])
  await untilDone(system)
  await first.waitForEvent('notification.sent', { text: /is done: 20 rows/ })
  await stop(first)
  const second = await system.startWorker()
  expect(second.logged('store.rollback_detected')).toEqual([])
}, 240_000)

test('damaged while stopped: a worker and a command end with 78 and say what to do', async () => {
  await oneNight()
  const size = statSync(store()).size
  const file = await open(store(), 'r+')
  await file.write(Buffer.alloc(size - 4096, 0xa5), 0, size - 4096, 4096)
  await file.close()
  await expectRefused(/trackyard\.db is damaged \(.*\)\. Stop everything .*Then restore a backup/s)
}, 240_000)

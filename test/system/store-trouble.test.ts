import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, expect, test } from '@jest/globals'
import Database from 'better-sqlite3'
import { findPrivateRedis } from '../../src/queue/private-redis/private-redis.js'
import { type SmallDisk, smallDisk } from '../support/disk.js'
import { expectAccounted, figure, openCalls, readLedger, untilDone } from '../support/ledger.js'
import { startRedis, type TestRedis } from '../support/redis.js'
import { PATIENT, SHORT } from '../support/short-settings.js'
import { catalogText, type Process, QUERY, type SystemUnderTest, startSystem } from '../support/system-under-test.js'
import { until } from '../support/until.js'

/**
 * Paid answers wait in a worker and the store cannot take them: they are kept and saved as soon as it can, no new call
 * is made meanwhile, and the log and the sentence of `status` say why nothing moves.
 */
let system: SystemUnderTest
let disk: SmallDisk | null = null
let redis: TestRedis | null = null
afterEach(async () => {
  await system.close()
  await redis?.stop()
  await disk?.remove()
  disk = null
  redis = null
})

const ROWS = 60
const CALLS_AT_A_TIME = 5

/** A run in the middle, with calls in flight: their answers will find the trouble. */
async function inTheMiddle(env: Record<string, string> = {}): Promise<Process> {
  system = await startSystem({
    simulator: { noMatchRate: 0, latencyMs: 500 },
    env: { ...PATIENT, TRACKYARD_CONCURRENCY: String(CALLS_AT_A_TIME), ...env },
  })
  const path = await system.file('films.csv', catalogText(ROWS))
  expect((await system.cli(['submit', path, '--query', QUERY, '--yes'])).code).toBe(0)
  const worker = await system.startWorker()
  await system.simulator.waitForCalls(20, 60_000)
  return worker
}

/** Three rows are submitted and no worker has run yet. The catalog's path. */
async function inTheBeginning(): Promise<string> {
  system = await startSystem({ env: SHORT })
  const path = await system.file('films.csv', catalogText(3))
  expect((await system.cli(['submit', path, '--query', QUERY, '--yes'])).code).toBe(0)
  return path
}

/** No call is begun while answers wait: those in flight end, and then the server hears nothing. */
async function expectSilence(worker: Process, sentence: RegExp): Promise<void> {
  await worker.waitForEvent('store.write_failed', { text: sentence })
  // What was begun before is on its way.
  await until(() => system.simulator.calls().length === figure(system, 'select count(*) from call'), {
    timeoutMs: 60_000,
    what: 'every call in the ledger to arrive',
  })
  await expectSentence(sentence)
  const made = system.simulator.calls().length
  const retried = worker.stderr().length
  await sleep(3000)
  expect(system.simulator.calls()).toHaveLength(made)
  expect(worker.child.exitCode).toBeNull()
  expect(worker.stderr().length - retried).toBeLessThan(5000)
}

/** What somebody reads who asks why nothing moves. */
async function expectSentence(cause: RegExp): Promise<void> {
  let report = await system.status()
  const isSaid = async () => {
    report = await system.status()
    return /^No calls: 1 worker has been unable to save paid answers since /.test(report.queue.reason)
  }
  await until(isSaid, { timeoutMs: 60_000, what: () => `the sentence to say so; it says: ${report.queue.reason}` })
  const { queue, eta } = report
  expect(queue).toMatchObject({ state: 'held', workers: 1, stuck_workers: 1 })
  expect(queue.reason).toMatch(cause)
  expect(queue.reason).toMatch(/Paid answers are kept in its memory: do not kill it/)
  expect(eta).toBeNull()
}

async function expectOneCallEach(): Promise<void> {
  await untilDone(system)
  await until(async () => (await system.status()).queue.reason === 'Nothing is due.', {
    timeoutMs: 60_000,
    what: 'the sentence to say that nothing is in the way any more',
  })
  await expectAccounted(system, { rows: ROWS, unknown: 0 })
  expect(system.simulator.calls()).toHaveLength(ROWS)
  expect(readLedger(system)).toMatchObject({ calls: { answered: ROWS }, failures: 0, integrity: 'ok' })
}

test('the disk is full: no new calls, the answers are kept and saved when there is room again', async () => {
  disk = await smallDisk(await mkdtemp(join(tmpdir(), 'disk-')), 16)
  // Redis lives elsewhere here: what a full disk does to it is another test.
  redis = await startRedis()
  const worker = await inTheMiddle({ TRACKYARD_DATA_DIR: disk.dir, TRACKYARD_REDIS_URL: redis.url })
  await disk.fill(worker.pid)
  await expectSilence(worker, /The disk that holds the store .* is full|cannot be read or written/)
  await disk.free(worker.pid)
  await worker.waitForEvent('store.write_recovered')
  await expectOneCallEach()
}, 240_000)

test('on a full disk `down` still stops the worker and the private Redis', async () => {
  disk = await smallDisk(await mkdtemp(join(tmpdir(), 'disk-')), 16)
  const worker = await inTheMiddle({ TRACKYARD_DATA_DIR: disk.dir })
  await untilDone(system)
  const running = await findPrivateRedis({ dataDir: disk.dir })
  await disk.fill(running?.pid ?? 0)
  await worker.waitForEvent('redis.disk_failed')
  expect(await system.cli(['down'])).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^Stopped 1 worker; the private Redis is stopped/),
  })
  expect(await worker.exited).toMatchObject({ code: 0, signal: null })
  expect(await findPrivateRedis({ dataDir: disk.dir })).toBeNull()
}, 240_000)

test('another process holds the store locked: no new calls, the answers are kept and saved when it lets go', async () => {
  const worker = await inTheMiddle()
  const other = new Database(join(system.dataDir, 'trackyard.db'))
  other.exec('BEGIN IMMEDIATE')
  expect(openCalls(system)).toBeGreaterThan(0)
  await expectSilence(worker, /The store .* was locked by another process/)
  other.exec('COMMIT')
  other.close()
  await worker.waitForEvent('store.write_recovered')
  await expectOneCallEach()
}, 240_000)

test('a worker that finds the store locked waits for it, and can be stopped while it waits', async () => {
  await inTheBeginning()
  const other = new Database(join(system.dataDir, 'trackyard.db'))
  other.exec('BEGIN IMMEDIATE')
  const stopped = system.start('dist/workers/worker.js')
  const patient = system.start('dist/workers/worker.js')
  await Promise.all([stopped, patient].map((worker) => worker.waitForEvent('store.locked')))
  stopped.kill('SIGTERM')
  expect(await stopped.exited).toMatchObject({ code: 0, signal: null })
  expect(patient.child.exitCode).toBeNull()
  expect(patient.logged('worker.started')).toEqual([])
  other.exec('COMMIT')
  other.close()
  await patient.waitForEvent('worker.started')
  await untilDone(system)
}, 240_000)

test('a worker that waits for the locked store is seen, `down` ends it, and it makes no call when the lock is gone', async () => {
  await inTheBeginning()
  const other = new Database(join(system.dataDir, 'trackyard.db'))
  other.exec('BEGIN IMMEDIATE')
  const worker = system.start('dist/workers/worker.js')
  const isSeen = async () => (await system.status()).queue.stuck_workers === 1
  await until(isSeen, { timeoutMs: 60_000, what: 'the worker to be seen' })
  expect((await system.status()).queue.reason).toMatch(
    /^No calls: 1 worker has been unable to write to the store since /,
  )
  expect(await system.cli(['down'])).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^Stopped 1 worker; the private Redis is stopped/),
  })
  expect(await worker.exited).toMatchObject({ code: 0, signal: null })
  other.exec('COMMIT')
  other.close()
  expect(await findPrivateRedis({ dataDir: system.dataDir })).toBeNull()
  expect(system.simulator.calls()).toEqual([])
}, 240_000)

test('a command waits for the lock for some seconds before it gives up', async () => {
  const path = await inTheBeginning()
  const other = new Database(join(system.dataDir, 'trackyard.db'))
  other.exec('BEGIN IMMEDIATE')
  const submitting = system.cli(['submit', path, '--query', QUERY, '--yes'])
  await sleep(4000)
  other.exec('COMMIT')
  other.close()
  expect(await submitting).toMatchObject({ code: 0 })
}, 240_000)

test('a store of a newer program is refused by workers and commands: exit 78, and it is left as it is', async () => {
  const path = await inTheBeginning()
  const db = new Database(join(system.dataDir, 'trackyard.db'))
  db.prepare("update meta set value = '1000' where key = 'schema_version'").run()
  db.close()
  for (const refused of [
    await system.start('dist/workers/worker.js').exited,
    await system.cli(['status']),
    await system.cli(['submit', path, '--query', QUERY, '--yes']),
  ]) {
    expect(refused.code).toBe(78)
    expect(refused.stderr).toMatch(/has schema version 1000 .* written by a newer trackyard-batch/)
  }
  expect(system.simulator.calls()).toHaveLength(0)
  expect(readLedger(system)).toMatchObject({ searches: 3, integrity: 'ok' })
}, 240_000)

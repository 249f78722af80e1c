import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from '@jest/globals'
import Database from 'better-sqlite3'
import { findPrivateRedis } from '../../src/queue/private-redis/private-redis.js'
import { type SmallDisk, smallDisk } from '../support/disk.js'
import { expectAccounted, figure, openCalls, readLedger, untilDone } from '../support/ledger.js'
import { withRedis } from '../support/redis.js'
import { PATIENT } from '../support/short-settings.js'
import { type Process, QUERY, type SystemUnderTest, systemTest, withSystem } from '../support/system-under-test.js'
import { until } from '../support/until.js'

/**
 * Paid answers wait in a worker and the store cannot take them: they are kept and saved as soon as it can, no new call
 * is made meanwhile, and the log and the sentence of `status` say why nothing moves.
 */
const ROWS = 60
const CALLS_AT_A_TIME = 5

/** A run in the middle, with calls in flight: their answers will find the failure. */
function inTheMiddle(
  play: (system: SystemUnderTest, worker: Process) => Promise<void>,
  env: Readonly<Record<string, string>> = {},
): Promise<void> {
  const options = {
    // Slow until it is healed.
    simulator: { noMatchRate: 0, faults: [{ does: 'late', ms: 500 }] },
    env: { ...PATIENT, TRACKYARD_CONCURRENCY: String(CALLS_AT_A_TIME), ...env },
  } as const
  return withSystem(options, async (system) => {
    await system.submit(ROWS)
    const worker = await system.startWorker()
    await system.simulator.waitForCalls(20, 120_000)
    await play(system, worker)
  })
}

async function withDisk(play: (disk: SmallDisk) => Promise<void>): Promise<void> {
  const disk = await smallDisk(await mkdtemp(join(tmpdir(), 'disk-')), 16)
  try {
    await play(disk)
  } finally {
    await disk.remove()
  }
}

/** Three rows are submitted to `path`, and no worker has run yet. */
function inTheBeginning(claim: string, play: (system: SystemUnderTest, path: string) => Promise<void>): void {
  systemTest(claim, {}, async (system) => play(system, await system.submit(3)))
}

/** No call is begun while answers wait: those in flight end, and then the server hears nothing. */
async function expectSilence(system: SystemUnderTest, worker: Process, sentence: RegExp): Promise<void> {
  await worker.waitForEvent('store.write_failed', { text: sentence })
  // What was begun before is on its way.
  await until(() => system.simulator.calls().length === figure(system, 'select count(*) from call'), {
    timeoutMs: 120_000,
    what: 'every call in the ledger to arrive',
  })
  await expectSentence(system, sentence)
  const made = system.simulator.calls().length
  const retried = worker.stderr().length
  await sleep(3000)
  expect(system.simulator.calls()).toHaveLength(made)
  expect(worker.child.exitCode).toBeNull()
  expect(worker.stderr().length - retried).toBeLessThan(5000)
}

/** What somebody reads who asks why nothing moves. */
async function expectSentence(system: SystemUnderTest, cause: RegExp): Promise<void> {
  let report = await system.status()
  const isSaid = async () => {
    report = await system.status()
    return /^No calls: 1 worker has been unable to save paid answers since /.test(report.queue.reason)
  }
  await until(isSaid, { timeoutMs: 120_000, what: () => `the sentence to say so; it says: ${report.queue.reason}` })
  const { queue, finish_at } = report
  expect(queue).toMatchObject({ state: 'write_failure', workers: 1, write_failures: 1 })
  expect(queue.reason).toMatch(cause)
  expect(queue.reason).toMatch(/Paid answers are kept in its memory: do not kill it/)
  expect(finish_at).toBeNull()
}

async function expectOneCallEach(system: SystemUnderTest): Promise<void> {
  system.simulator.clearFault()
  await untilDone(system)
  await until(async () => (await system.status()).queue.reason === 'Nothing is due.', {
    timeoutMs: 120_000,
    what: 'the sentence to say that nothing is in the way any more',
  })
  await expectAccounted(system, { rows: ROWS, unknown: 0 })
  expect(system.simulator.calls()).toHaveLength(ROWS)
  expect(readLedger(system)).toMatchObject({ calls: { answered: ROWS }, failures: 0, integrity: 'ok' })
}

test.concurrent(
  'the disk is full: no new calls, the answers are kept and saved when there is room again',
  () =>
    withDisk((disk) =>
      // Redis lives elsewhere here: what a full disk does to it is another test.
      withRedis(({ url }) =>
        inTheMiddle(
          async (system, worker) => {
            await disk.fill(worker.pid)
            await expectSilence(system, worker, /The disk that holds the store .* is full|cannot be read or written/)
            await disk.free(worker.pid)
            await worker.waitForEvent('store.write_recovered')
            await expectOneCallEach(system)
          },
          { TRACKYARD_DATA_DIR: disk.dir, TRACKYARD_REDIS_URL: url },
        ),
      ),
    ),
  240_000,
)

test.concurrent(
  'on a full disk `down` still stops the worker and the private Redis',
  () =>
    withDisk((disk) =>
      inTheMiddle(
        async (system, worker) => {
          await untilDone(system)
          const running = await findPrivateRedis({ dataDir: disk.dir })
          await disk.fill(running?.pid ?? 0)
          await worker.waitForEvent('redis.disk_failed')
          expect(await system.command(['down'])).toMatchObject({
            code: 0,
            stdout: expect.stringMatching(/^Stopped 1 worker; the private Redis is stopped/),
          })
          expect(await worker.exited).toMatchObject({ code: 0, signal: null })
          expect(await findPrivateRedis({ dataDir: disk.dir })).toBeNull()
        },
        { TRACKYARD_DATA_DIR: disk.dir },
      ),
    ),
  240_000,
)

test.concurrent(
  'another process holds the store locked: no new calls, the answers are kept and saved when it lets go',
  () =>
    inTheMiddle(async (system, worker) => {
      const other = new Database(join(system.dataDir, 'trackyard.db'))
      other.exec('BEGIN IMMEDIATE')
      expect(openCalls(system)).toBeGreaterThan(0)
      await expectSilence(system, worker, /The store .* was locked by another process/)
      other.exec('COMMIT')
      other.close()
      await worker.waitForEvent('store.write_recovered')
      await expectOneCallEach(system)
    }),
  240_000,
)

inTheBeginning(
  'the store is locked: a waiting worker is seen and can be stopped, without a call; others wait, and begin when it is free',
  async (system, path) => {
    const other = new Database(join(system.dataDir, 'trackyard.db'))
    other.exec('BEGIN IMMEDIATE')
    const worker = system.start('dist/workers/worker.js')
    const isSeen = async () => (await system.status()).queue.write_failures === 1
    await until(isSeen, { timeoutMs: 120_000, what: 'the worker to be seen' })
    expect((await system.status()).queue.reason).toMatch(
      /^No calls: 1 worker has been unable to write to the store since /,
    )
    expect(await system.command(['down'])).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^Stopped 1 worker; the private Redis is stopped/),
    })
    expect(await worker.exited).toMatchObject({ code: 0, signal: null })
    expect(await findPrivateRedis({ dataDir: system.dataDir })).toBeNull()

    const stopped = system.start('dist/workers/worker.js')
    const patient = system.start('dist/workers/worker.js')
    await Promise.all([stopped, patient].map((each) => each.waitForEvent('store.locked')))
    stopped.kill('SIGTERM')
    expect(await stopped.exited).toMatchObject({ code: 0, signal: null })
    expect(patient.child.exitCode).toBeNull()
    expect(patient.logged('worker.started')).toEqual([])
    expect(system.simulator.calls()).toEqual([])
    // A command waits for some seconds before it gives up.
    const submitting = system.command(['submit', path, '--query', QUERY, '--yes'])
    await sleep(4000)
    other.exec('COMMIT')
    other.close()
    expect(await submitting).toMatchObject({ code: 0 })
    await patient.waitForEvent('worker.started')
    await untilDone(system)
  },
)

inTheBeginning(
  'a store of a newer program is refused by workers and commands: exit 78, and it is left as it is',
  async (system, path) => {
    const db = new Database(join(system.dataDir, 'trackyard.db'))
    db.prepare("update meta set value = '1000' where key = 'schema_version'").run()
    db.close()
    for (const refused of [
      await system.start('dist/workers/worker.js').exited,
      await system.command(['status']),
      await system.command(['submit', path, '--query', QUERY, '--yes']),
    ]) {
      expect(refused.code).toBe(78)
      expect(refused.stderr).toMatch(/has schema version 1000 .* written by a newer trackyard-batch/)
    }
    expect(system.simulator.calls()).toHaveLength(0)
    expect(readLedger(system)).toMatchObject({ searches: 3, integrity: 'ok' })
  },
)

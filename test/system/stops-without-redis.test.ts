import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from '@jest/globals'
import Database from 'better-sqlite3'
import { expectAccounted, openCalls, readLedger, untilDone } from '../support/ledger.js'
import { type TestRedis, withRedis } from '../support/redis.js'
import { type Process, type SystemOptions, type SystemUnderTest, withSystem } from '../support/system-under-test.js'

/** A process stops without Redis: nothing that is paid for is lost, and nothing waits for what will not come. */

function withBoth(
  { env, ...options }: SystemOptions,
  play: (system: SystemUnderTest, redis: TestRedis) => Promise<void>,
): Promise<void> {
  return withRedis((redis) =>
    withSystem({ ...options, env: { TRACKYARD_REDIS_URL: redis.url, ...env } }, (system) => play(system, redis)),
  )
}

test.concurrent('a worker that can reach neither store nor Redis writes its paid answers to a file; they are bought once', async () => {
  const late = { timesInTotal: 4, does: 'late', ms: 2000 } as const
  const env = { TRACKYARD_SHUTDOWN_GRACE_MS: '3000', TRACKYARD_CONCURRENCY: '4' }
  await withBoth({ simulator: { noMatchRate: 0, faults: [late] }, env }, async (system, redis) => {
    await system.submit(12)
    const worker = await system.startWorker()
    await system.simulator.waitForCalls(4, 120_000)
    expect(openCalls(system)).toBe(4)
    const other = new Database(join(system.dataDir, 'trackyard.db'))
    other.exec('BEGIN IMMEDIATE')
    await redis.kill()
    await worker.waitForEvent('store.write_failed')
    worker.kill('SIGTERM')
    expect(await worker.exited).toMatchObject({ code: 0, signal: null })
    expect(worker.logged('answer.rescued')).toMatchObject([{ calls: 4 }])
    expect(worker.logged('shutdown.timeout')).toMatchObject([
      { unfinished: 4, unsaved: 4, msg: expect.not.stringContaining('unknown') },
    ])
    other.exec('COMMIT')
    other.close()
    await redis.restart()
    const next = await system.startWorker()
    expect(next.logged('answer.recovered')).toMatchObject([{ calls: 4 }])
    await untilDone(system)
    await expectAccounted(system, { rows: 12, unknown: 0 })
    expect(system.simulator.calls()).toHaveLength(12)
    expect(readLedger(system)).toMatchObject({ calls: { answered: 12 }, failures: 0 })
    expect((await readdir(system.dataDir)).filter((name) => /unsaved/.test(name))).toEqual([
      expect.stringMatching(/\.saved$/),
    ])
  })
}, 240_000)

/** Redis was killed just now. */
async function expectStop(service: Process): Promise<void> {
  await service.waitForEvent('redis.disconnected')
  // Its tasks have come to wait for Redis: each runs every 2 s, or more often.
  await sleep(2500)
  const toldAt = performance.now()
  service.kill('SIGTERM')
  expect(await service.exited).toMatchObject({ code: 0, signal: null })
  expect(performance.now() - toldAt).toBeLessThan(GRACE_MS)
  expect(service.logged('maintenance.failed')).toEqual([])
}

const GRACE_MS = 60_000
const PATIENT = { TRACKYARD_SHUTDOWN_GRACE_MS: String(GRACE_MS), TRACKYARD_BOARD_PORT: '0' }

test.concurrent('an idle worker does not wait for Redis until its grace period ends, nor does a board, nor a worker that loses Redis while it starts', async () => {
  await withBoth({ env: PATIENT }, async (system, redis) => {
    await system.submit(1)
    const worker = await system.startWorker()
    await untilDone(system)
    const board = system.start('dist/workers/board.js')
    await board.waitForEvent('board.started')
    await redis.kill()
    await Promise.all([expectStop(worker), expectStop(board)])
    await redis.restart()
    // Logged just before it connects once more.
    const starting = await system.startWorker()
    await redis.kill()
    await expectStop(starting)
  })
}, 240_000)

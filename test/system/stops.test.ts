import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from '@jest/globals'
import { expectAccounted, openCalls, readLedger, untilDone } from '../support/ledger.js'
import { PATIENT, SHORT } from '../support/short-settings.js'
import { type Process, systemTest, withSystem } from '../support/system-under-test.js'

/** SIGTERM is a deploy, not a failure: it costs no attempt and no credit. */

async function terminated(worker: Process): Promise<{ readonly code: number | null; readonly ms: number }> {
  const startedAt = performance.now()
  worker.kill('SIGTERM')
  const { code } = await worker.exited
  return { code, ms: performance.now() - startedAt }
}

systemTest(
  'SIGTERM under load: calls in flight are committed, the rest goes back with no attempt used, exit 0 in the grace',
  { simulator: { noMatchRate: 0, latencyMs: 800 }, env: PATIENT },
  async (system) => {
    await system.submit(60)
    const worker = await system.startWorker()
    await system.simulator.waitForCalls(15, 120_000)
    const stopped = await terminated(worker)
    expect(stopped.code).toBe(0)
    expect(stopped.ms).toBeLessThan(Number(PATIENT.TRACKYARD_SHUTDOWN_GRACE_MS))
    const made = system.simulator.calls().length
    expect(made).toBeLessThan(60)
    expect(system.simulator.paid()).toBe(made)
    expect(readLedger(system)).toMatchObject({ calls: { answered: made }, failures: 0, integrity: 'ok' })
    await system.worker()
    await untilDone(system)
    await expectAccounted(system, { rows: 60, unknown: 0 })
    expect(system.simulator.calls()).toHaveLength(60)
    expect(readLedger(system)).toMatchObject({ calls: { answered: 60 }, failures: 0 })
  },
)

test.concurrent('a grace that is too short: exit 0 all the same, and what was in flight is listed as of unknown outcome', async () => {
  const late = { timesInTotal: 4, does: 'late', ms: 60_000 } as const
  await withSystem({ simulator: { noMatchRate: 0, faults: [late] }, env: SHORT }, async (system) => {
    await system.submit(12)
    const worker = await system.startWorker({ TRACKYARD_SHUTDOWN_GRACE_MS: '200', TRACKYARD_CONCURRENCY: '4' })
    await system.simulator.waitForCalls(4, 120_000)
    expect(await terminated(worker)).toMatchObject({ code: 0 })
    expect(worker.logged('shutdown.timeout')).toHaveLength(1)
    const inFlight = openCalls(system)
    expect(inFlight).toBe(4)
    await system.worker()
    await untilDone(system)
    await expectAccounted(system, { rows: 12, unknown: inFlight })
    expect(readLedger(system)).toMatchObject({ calls: { answered: 12, unknown: 4 }, failures: 0 })
  })
}, 240_000)

systemTest(
  'a second signal exits at once, with calls in flight',
  { simulator: { faults: [{ does: 'hang' }] } },
  async (system) => {
    await system.submit(5)
    const worker = await system.startWorker()
    await system.simulator.waitForCalls(5, 120_000)
    worker.kill('SIGTERM')
    await worker.waitForEvent('shutdown.started')
    expect(worker.child.exitCode).toBeNull()
    const stopped = await terminated(worker)
    expect(stopped.code).toBe(130)
    // Not after the grace of 25 s, nor after the calls' 60 s.
    expect(stopped.ms).toBeLessThan(20_000)
  },
)

systemTest('a signal while a worker starts ends it cleanly, once it has started', {}, async (system) => {
  const worker = system.start('dist/workers/worker.js')
  await worker.waitForEvent('redis.started')
  expect(await terminated(worker)).toMatchObject({ code: 0 })
})

systemTest(
  'Ctrl-C to a command that has nothing to stop: 130, and with --json an error document',
  {},
  async (system) => {
    // It never answers.
    const api = createServer(() => {}).listen(0, '127.0.0.1')
    const asked = once(api, 'request')
    await once(api, 'listening')
    const { port } = api.address() as AddressInfo
    const env = { TRACKYARD_API_URL: `http://127.0.0.1:${port}` }
    const command = system.start('dist/scripts/trackyard-batch.js', ['account', '--json'], env)
    await asked
    command.kill('SIGINT')
    const { code, stdout, stderr } = await command.exited
    api.closeAllConnections()
    api.close()
    expect([code, stderr]).toEqual([130, expect.stringMatching(/^Interrupted\.$/m)])
    const error = { code: 'interrupted', message: 'Interrupted.', hint: null }
    expect(JSON.parse(stdout)).toEqual({ version: 1, kind: 'error', error })
  },
)

systemTest(
  'an API that does not say who we are keeps a worker from starting for seconds, not for its whole timeout',
  {
    simulator: { faults: [{ endpoint: 'me', does: 'hang' }] },
    env: { TRACKYARD_REQUEST_TIMEOUT_MS: '300000', TRACKYARD_LOCK_DURATION_MS: '310000' },
  },
  async (system) => {
    const worker = await system.worker()
    await worker.waitForEvent('api.account_check_failed')
  },
)

systemTest(
  'three workers are replaced one by one, ten times over, during a run: no attempt used, nothing called twice',
  // Slow until the last restart, so that each of them finds calls in flight.
  {
    simulator: { noMatchRate: 0, latencyMs: [20, 400], faults: [{ does: 'late', ms: 3000 }] },
    env: PATIENT,
  },
  async (system) => {
    const rows = 700
    await system.submit(rows)
    const few = { TRACKYARD_CONCURRENCY: '3', TRACKYARD_RATE_LIMIT: '3000' }
    const workers = [await system.startWorker(few), await system.startWorker(few), await system.startWorker(few)]
    let restarts = 0
    for (; restarts < 30; restarts += 1) {
      const [oldest] = workers
      if (oldest === undefined) throw new Error('no worker left')
      const [next, ended] = await Promise.all([system.startWorker(few), terminated(oldest)])
      expect(ended.code).toBe(0)
      workers.push(next)
      workers.shift()
    }
    expect(restarts).toBe(30)
    const during = system.simulator.calls().length
    expect(during).toBeGreaterThan(0)
    expect(during).toBeLessThan(rows)
    system.simulator.clearFault()
    await untilDone(system)
    await expectAccounted(system, { rows, unknown: 0 })
    expect(system.simulator.calls()).toHaveLength(rows)
    expect(readLedger(system)).toMatchObject({ calls: { answered: rows }, failures: 0 })
  },
  400_000,
)

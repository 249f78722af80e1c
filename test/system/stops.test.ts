import { afterEach, expect, test } from '@jest/globals'
import { expectAccounted, openCalls, readLedger, untilDone } from '../support/ledger.js'
import { catalogText, type Night, type Process, QUERY, startNight } from '../support/night.js'
import { PATIENT, SHORT } from '../support/short-settings.js'

/** SIGTERM is a deploy, not a failure: it costs no attempt and no credit. */
let night: Night
afterEach(() => night.close())

async function submit(rows: number): Promise<void> {
  const path = await night.file('films.csv', catalogText(rows))
  expect((await night.cli(['submit', path, '--query', QUERY, '--yes'])).code).toBe(0)
}

async function terminated(worker: Process): Promise<{ readonly code: number | null; readonly ms: number }> {
  const startedAt = performance.now()
  worker.kill('SIGTERM')
  const { code } = await worker.exited
  return { code, ms: performance.now() - startedAt }
}

test('SIGTERM under load: calls in flight are committed, the rest goes back with no attempt used, exit 0 in the grace', async () => {
  night = await startNight({ simulator: { noMatchRate: 0, latencyMs: 800 }, env: PATIENT })
  await submit(60)
  const worker = await night.startWorker()
  await night.simulator.waitForCalls(15, 60_000)
  const stopped = await terminated(worker)
  expect(stopped.code).toBe(0)
  expect(stopped.ms).toBeLessThan(Number(PATIENT.TRACKYARD_SHUTDOWN_GRACE_MS))
  const made = night.simulator.calls().length
  expect(made).toBeLessThan(60)
  expect(night.simulator.paid()).toBe(made)
  expect(readLedger(night)).toMatchObject({ calls: { answered: made }, failures: 0, integrity: 'ok' })
  await night.startWorker()
  await untilDone(night)
  await expectAccounted(night, { rows: 60, unknown: 0 })
  expect(night.simulator.calls()).toHaveLength(60)
  expect(readLedger(night)).toMatchObject({ calls: { answered: 60 }, failures: 0 })
}, 240_000)

test('a grace that is too short: exit 0 all the same, and what was in flight is listed as of unknown outcome', async () => {
  const late = { timesInTotal: 4, does: 'late', ms: 60_000 } as const
  night = await startNight({ simulator: { noMatchRate: 0, faults: [late] }, env: SHORT })
  await submit(12)
  const worker = await night.startWorker({ TRACKYARD_SHUTDOWN_GRACE_MS: '200', TRACKYARD_CONCURRENCY: '4' })
  await night.simulator.waitForCalls(4, 60_000)
  expect(await terminated(worker)).toMatchObject({ code: 0 })
  expect(worker.log()).toMatch(/grace has ended with calls in flight/)
  const inFlight = openCalls(night)
  expect(inFlight).toBe(4)
  await night.startWorker()
  await untilDone(night)
  await expectAccounted(night, { rows: 12, unknown: inFlight })
  expect(readLedger(night)).toMatchObject({ calls: { answered: 12, unknown: 4 }, failures: 0 })
}, 240_000)

test('a second signal exits at once, with calls in flight', async () => {
  night = await startNight({ simulator: { faults: [{ does: 'hang' }] } })
  await submit(5)
  const worker = await night.startWorker()
  await night.simulator.waitForCalls(5, 60_000)
  worker.kill('SIGTERM')
  await worker.waitForLog(/stopping/)
  expect(worker.child.exitCode).toBeNull()
  const stopped = await terminated(worker)
  expect(stopped.code).toBe(130)
  // Not after the grace of 25 s, nor after the calls' 20 s.
  expect(stopped.ms).toBeLessThan(10_000)
}, 240_000)

test('a signal while a worker starts ends it cleanly, once it has started', async () => {
  night = await startNight({ env: SHORT })
  const worker = night.start('dist/workers/worker.js')
  await worker.waitForLog(/private Redis was started/)
  expect(await terminated(worker)).toMatchObject({ code: 0 })
}, 240_000)

test('an API that does not say who we are keeps a worker from starting for seconds, not for its whole timeout', async () => {
  night = await startNight({
    simulator: { faults: [{ endpoint: 'me', does: 'hang' }] },
    env: { TRACKYARD_REQUEST_TIMEOUT_MS: '300000', TRACKYARD_LOCK_DURATION_MS: '310000' },
  })
  const worker = await night.startWorker()
  await worker.waitForLog(/GET .me could not be asked/)
}, 240_000)

test('three workers are replaced one by one, ten times over, during a run: no attempt used, nothing called twice', async () => {
  night = await startNight({ simulator: { noMatchRate: 0, latencyMs: [20, 400] }, env: PATIENT })
  const rows = 1500
  await submit(rows)
  const few = { TRACKYARD_CONCURRENCY: '3', TRACKYARD_RATE_LIMIT: '3000' }
  const fleet = [await night.startWorker(few), await night.startWorker(few), await night.startWorker(few)]
  let restarts = 0
  for (; restarts < 30; restarts += 1) {
    const [oldest] = fleet
    if (oldest === undefined) throw new Error('no worker left')
    const [next, ended] = await Promise.all([night.startWorker(few), terminated(oldest)])
    expect(ended.code).toBe(0)
    fleet.push(next)
    fleet.shift()
  }
  expect(restarts).toBe(30)
  const during = night.simulator.calls().length
  expect(during).toBeGreaterThan(0)
  await untilDone(night)
  await expectAccounted(night, { rows, unknown: 0 })
  expect(night.simulator.calls()).toHaveLength(rows)
  expect(readLedger(night)).toMatchObject({ calls: { answered: rows }, failures: 0 })
}, 400_000)

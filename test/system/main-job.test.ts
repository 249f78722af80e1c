import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { openCalls } from '../support/ledger.js'
import {
  catalogText,
  type Process,
  QUERY,
  type SystemUnderTest,
  startSystem,
  systemTest,
} from '../support/system-under-test.js'
import { until } from '../support/until.js'

/** The main job on real processes: a catalog goes in, a tagged catalog comes out; the simulator is the witness. */

interface Submitted {
  readonly batch: number
  readonly rows: number
  readonly searches: number
  readonly new: number
  readonly already_answered: number
  readonly credits_needed: number
}

const submit = (system: SystemUnderTest, path: string, ...more: readonly string[]): Promise<Submitted> =>
  system.json<Submitted>(['submit', path, '--query', QUERY, '--yes', ...more])

const ids = (rows: readonly Record<string, string>[]): readonly (string | undefined)[] => rows.map((row) => row.id)

systemTest(
  'twenty 429s stop all workers, use no attempt, and their searches are called again before 500 others',
  {
    simulator: {
      noMatchRate: 0,
      latencyMs: 20,
      faults: [{ timesInTotal: 20, does: { status: 429, headers: { 'retry-after': '2' } } }],
    },
    env: { TRACKYARD_CONCURRENCY: '20', TRACKYARD_RATE_LIMIT: '12000' },
  },
  async (system) => {
    await submit(system, await system.file('films.csv', catalogText(520)))
    await system.startWorker()
    expect((await system.cli(['wait', '--timeout', '120'])).code).toBe(0)
    const calls = system.simulator.calls()
    const refused = calls.filter((call) => call.status === 429)
    expect(refused).toHaveLength(20)
    // Nobody can have read a 429 before that.
    const heldFrom = refused[0]?.receivedAt ?? Number.NaN
    // Each of the twenty slots may have had its call on the way; none begins another before the wait is over.
    const wave = calls.filter((call) => call.receivedAt < heldFrom + 2000).map((call) => call.query)
    expect(wave.length).toBeLessThanOrEqual(20)
    expect(new Set(wave).size).toBe(wave.length)
    // Those that met the first wave of 429s are the first to be called again: each slot's first calls, in any order.
    const after = calls.slice(wave.length, wave.length + 2 * 20).map((call) => call.query)
    expect(wave.filter((query) => !after.includes(query))).toEqual([])
    expect(system.simulator.paidTwice()).toEqual([])
    expect(calls).toHaveLength(540)
    expect((await system.exported()).filter((row) => row.status !== 'tagged')).toEqual([])
  },
)

systemTest(
  'credits run out: paused within the calls in flight, status says why, resume probes once, nothing is called twice',
  {
    simulator: { credits: 50, noMatchRate: 0, latencyMs: 20 },
    env: { TRACKYARD_CREDIT_CHECK_MS: '600000', TRACKYARD_RATE_LIMIT: '6000' },
  },
  async (system) => {
    await submit(system, await system.file('films.csv', catalogText(200)))
    const worker = await system.startWorker()
    await worker.waitForEvent('call.finished', { facts: { decision: 'pause' } })
    await until(() => openCalls(system) === 0, { timeoutMs: 120_000, what: 'the calls in flight to end' })
    // A search in hand that has not been claimed yet would run beside the probe.
    const inHand = async (): Promise<number> => (await system.status()).queue.active
    await until(async () => (await inHand()) === 0, { timeoutMs: 120_000, what: 'the searches in hand to go back' })
    const paused = await system.status()
    expect(paused.queue.state).toBe('paused')
    expect(paused.queue.reason).toMatch(/no credits left/)
    expect(paused.credits).toMatchObject({ spent: 50 })
    const callsAtPause = system.simulator.calls().length
    expect(callsAtPause).toBeLessThanOrEqual(50 + 10)
    system.simulator.topUp(1000)
    expect((await system.cli(['resume'])).code).toBe(0)
    expect((await system.cli(['wait', '--timeout', '120'])).code).toBe(0)
    const later = system.simulator.calls().slice(callsAtPause)
    const [probe, second] = later
    expect(second?.receivedAt ?? 0).toBeGreaterThanOrEqual(probe?.answeredAt ?? Number.POSITIVE_INFINITY)
    expect(system.simulator.paid()).toBe(200)
    expect(system.simulator.paidTwice()).toEqual([])
    expect((await system.exported()).filter((row) => row.status !== 'tagged')).toEqual([])
  },
)

describe('one worker', () => {
  let system: SystemUnderTest
  let worker: Process
  beforeAll(async () => {
    system = await startSystem({ simulator: { noMatchRate: 0 }, env: { TRACKYARD_CREDIT_CHECK_MS: '1000' } })
    worker = await system.startWorker()
  }, 240_000)
  afterAll(() => system.close())

  test('1,600 rows, 1,100 different questions: 1,100 calls, tagged in order, and again for nothing', async () => {
    const path = await system.file('films.csv', catalogText(1600, 1100))
    const submitted = await submit(system, path)
    expect(submitted).toMatchObject({ rows: 1600, searches: 1100, new: 1100, credits_needed: 1100 })
    expect((await system.cli(['wait', '--timeout', '240'])).code).toBe(0)
    expect(system.simulator.paid()).toBe(1100)
    expect(system.simulator.calls()).toHaveLength(1100)
    const rows = await system.exported()
    expect(ids(rows)).toEqual(Array.from({ length: 1600 }, (_, index) => `r${index + 1}`))
    expect(rows.filter((row) => row.status !== 'tagged')).toEqual([])

    const again = await submit(system, path, '--name', 'again')
    expect(again).toMatchObject({ new: 0, already_answered: 1100, credits_needed: 0 })
    expect((await system.cli(['wait', 'again', '--timeout', '120'])).code).toBe(0)
    expect(system.simulator.calls()).toHaveLength(1100)
    expect((await system.exported('again')).filter((row) => row.status !== 'tagged')).toEqual([])
  }, 360_000)

  test('a wrong template cancelled after --first 10 costs ten credits', async () => {
    const before = system.simulator.calls().length
    const path = await system.file('wrong.csv', catalogText(100))
    await system.json(['submit', path, '--query', `wrong ${QUERY}`, '--yes', '--first', '10'])
    expect((await system.cli(['wait', 'wrong', '--timeout', '120'])).code).toBe(4)
    expect((await system.cli(['cancel', 'wrong'])).code).toBe(0)
    const rows = await system.exported('wrong')
    expect(rows.filter((row) => row.status === 'tagged').map((row) => row.id)).toEqual(
      Array.from({ length: 10 }, (_, index) => `r${index + 1}`),
    )
    expect(rows.filter((row) => row.status === 'cancelled')).toHaveLength(90)
    expect(system.simulator.calls()).toHaveLength(before + 10)
  }, 240_000)

  test('credits run out and come back: it goes on by itself', async () => {
    const before = system.simulator.paid()
    system.simulator.setCredits(10)
    const path = await system.file('more.csv', catalogText(40))
    await system.json(['submit', path, '--query', `more ${QUERY}`, '--yes'])
    await worker.waitForEvent('call.finished', { facts: { decision: 'pause' } })
    system.simulator.topUp(100)
    expect((await system.cli(['wait', 'more', '--timeout', '120'])).code).toBe(0)
    expect(system.simulator.paid()).toBe(before + 40)
    expect(system.simulator.paidTwice()).toEqual([])
  }, 240_000)
})

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { openCalls } from '../support/ledger.js'
import { SHORT } from '../support/short-settings.js'
import {
  catalogText,
  type Process,
  QUERY,
  type SystemUnderTest,
  startSystem,
  systemTest,
} from '../support/system-under-test.js'
import { until } from '../support/until.js'

/** Money, with several worker processes: what is claimed is decided before the call, so caps hold to the credit. */

describe('three workers', () => {
  let system: SystemUnderTest
  let workers: readonly Process[]
  beforeAll(async () => {
    system = await startSystem({
      simulator: { noMatchRate: 0, latencyMs: [5, 40] },
      env: { TRACKYARD_CREDIT_RESERVE: '20', TRACKYARD_CREDIT_CHECK_MS: '500' },
    })
    workers = await Promise.all([1, 2, 3].map(() => system.startWorker()))
  }, 240_000)
  afterAll(() => system.close())

  /** Searches that no other test makes. */
  async function submit(name: string, searches: number, ...more: readonly string[]): Promise<void> {
    const path = await system.file(`${name}.csv`, catalogText(searches))
    await system.json(['submit', path, '--query', `${name} ${QUERY}`, '--yes', ...more])
  }

  /** What is paid from now on. */
  function payments(): () => number {
    const before = system.simulator.paid()
    return () => system.simulator.paid() - before
  }

  test('200 searches, --max-credits 50, failures in between: exactly 50 are paid', async () => {
    system.simulator.fail({ rate: 0.2, times: 2, does: { status: 500 } })
    system.simulator.fail({ rate: 0.1, times: 1, does: { status: 429, headers: { 'retry-after': '1' } } })
    const paid = payments()
    await submit('capped', 200, '--max-credits', '50')
    expect((await system.cli(['wait', 'capped', '--timeout', '120'])).code).toBe(4)
    expect(paid()).toBe(50)
    expect((await system.status()).batches).toMatchObject([{ tagged: 50, withheld: 150, waiting: 0 }])
    expect((await system.cli(['release', 'capped', '--max-credits', '80'])).code).toBe(0)
    expect((await system.cli(['wait', 'capped', '--timeout', '120'])).code).toBe(4)
    expect(paid()).toBe(80)
    expect(system.simulator.paidTwice()).toEqual([])
    system.simulator.clearFault()
  }, 240_000)

  test('a reserve of 20 with 100 credits: exactly 20 are left, it says why, and goes on by itself after a top-up', async () => {
    system.simulator.setCredits(100)
    const paid = payments()
    await submit('reserve', 150)
    const told = (): number =>
      workers
        .flatMap((worker) => worker.logged('notification.created'))
        .filter(({ msg }) => /^Paused: at the credit reserve/.test(msg)).length
    // One worker sends the notification, some time within the pause.
    await until(() => told() > 0, { timeoutMs: 120_000, what: 'the notification of the pause' })
    // The last answer may have overtaken others.
    await until(() => openCalls(system) === 0, { timeoutMs: 120_000, what: 'the calls in flight to end' })
    expect(system.simulator.credits()).toBe(20)
    expect(paid()).toBe(80)
    const { queue, credits } = await system.status()
    expect(queue).toMatchObject({ causes: ['reserve'], waiting: 70 })
    expect(queue.reason).toMatch(/at the credit reserve since.*70 searches wait and need 70 credits/)
    expect(credits.remaining).toBe(20)
    system.simulator.topUp(100)
    expect((await system.cli(['wait', 'reserve', '--timeout', '120'])).code).toBe(0)
    expect(system.simulator.credits()).toBe(50)
    expect(paid()).toBe(150)
    expect(told()).toBe(1)
  }, 240_000)
})

systemTest(
  'a worker killed with calls in flight: its unknown outcomes stay charged, the cap is never passed',
  {
    simulator: { noMatchRate: 0, latencyMs: 150 },
    env: SHORT,
  },
  async (system) => {
    await system.submit(200, '--max-credits', '50')
    const [victim] = await Promise.all([system.startWorker(), system.startWorker()])
    await until(() => system.simulator.paid() >= 12, { timeoutMs: 120_000, what: 'some calls', everyMs: 5 })
    victim.kill('SIGKILL')
    expect((await system.cli(['wait', '--timeout', '120'])).code).toBe(4)
    const { credits } = await system.status()
    expect(credits.spent + credits.unknown_outcomes).toBe(50)
    expect(system.simulator.paid()).toBeLessThanOrEqual(50)
  },
)

systemTest(
  'a batch that was cancelled does not keep the next one waiting',
  { simulator: { noMatchRate: 0 }, env: { TRACKYARD_RATE_LIMIT: '600' } },
  async (system) => {
    const wrong = await system.file('wrong.csv', catalogText(3000))
    await system.json(['submit', wrong, '--query', 'wrong {title}', '--yes'])
    await system.startWorker()
    await system.simulator.waitForCalls(3, 120_000)
    expect((await system.cli(['cancel', 'wrong'])).code).toBe(0)
    const before = system.simulator.calls().length
    await system.submit(20)
    expect((await system.cli(['wait', 'films', '--timeout', '120'])).code).toBe(0)
    // At 600 a minute the 3,000 would have taken five minutes of starts.
    expect(system.simulator.calls().length - before).toBeLessThan(40)
  },
)

import { expect } from '@jest/globals'
import { openCalls } from '../support/ledger.js'
import { SHORT } from '../support/short-settings.js'
import { catalogText, type SystemUnderTest, systemTest } from '../support/system-under-test.js'
import { until } from '../support/until.js'

/** Money, with three worker processes: what is claimed is decided before the call, so caps hold to the credit. */

async function threeWorkers(system: SystemUnderTest, env: Record<string, string> = {}) {
  return Promise.all([1, 2, 3].map(() => system.startWorker(env)))
}

const pausedFor = async (system: SystemUnderTest) => (await system.status()).queue.causes

systemTest(
  '200 searches, --max-credits 50, three workers, failures in between: exactly 50 are paid',
  {
    simulator: {
      noMatchRate: 0,
      latencyMs: [5, 40],
      faults: [
        { rate: 0.2, times: 2, does: { status: 500 } },
        { rate: 0.1, times: 1, does: { status: 429, headers: { 'retry-after': '1' } } },
      ],
    },
  },
  async (system) => {
    await system.submit(200, '--max-credits', '50')
    await threeWorkers(system)
    expect((await system.cli(['wait', '--timeout', '120'])).code).toBe(4)
    expect(system.simulator.paid()).toBe(50)
    expect((await system.status()).batches).toMatchObject([{ tagged: 50, withheld: 150, waiting: 0 }])
    expect((await system.cli(['release', 'films', '--max-credits', '80'])).code).toBe(0)
    expect((await system.cli(['wait', '--timeout', '120'])).code).toBe(4)
    expect(system.simulator.paid()).toBe(80)
    expect(system.simulator.paidTwice()).toEqual([])
  },
)

systemTest(
  'a worker killed with calls in flight: its unknown outcomes stay charged, the cap is never passed',
  {
    simulator: { noMatchRate: 0, latencyMs: 150 },
    env: SHORT,
  },
  async (system) => {
    await system.submit(200, '--max-credits', '50')
    const [victim] = await threeWorkers(system)
    await until(() => system.simulator.paid() >= 12, { timeoutMs: 120_000, what: 'some calls', everyMs: 5 })
    victim?.kill('SIGKILL')
    expect((await system.cli(['wait', '--timeout', '120'])).code).toBe(4)
    const { credits } = await system.status()
    expect(credits.spent + credits.unknown_outcomes).toBe(50)
    expect(system.simulator.paid()).toBeLessThanOrEqual(50)
  },
)

systemTest(
  'a reserve of 20 with 100 credits: exactly 20 are left, it says why, and goes on by itself after a top-up',
  {
    simulator: { noMatchRate: 0, credits: 100, latencyMs: [5, 60] },
    env: { TRACKYARD_CREDIT_RESERVE: '20', TRACKYARD_CREDIT_CHECK_MS: '500' },
  },
  async (system) => {
    await system.submit(150)
    const workers = await threeWorkers(system)
    await until(async () => (await pausedFor(system)).includes('reserve'), { timeoutMs: 120_000, what: 'the reserve' })
    // The last answer may have overtaken others.
    await until(() => openCalls(system) === 0, { timeoutMs: 120_000, what: 'the calls in flight to end' })
    expect(system.simulator.credits()).toBe(20)
    expect(system.simulator.paid()).toBe(80)
    const { queue, credits } = await system.status()
    expect(queue).toMatchObject({ causes: ['reserve'], waiting: 70 })
    expect(queue.reason).toMatch(/at the credit reserve since.*70 searches wait and need 70 credits/)
    expect(credits.remaining).toBe(20)
    // One worker tells the news, some time within the pause.
    const told = (): number =>
      workers
        .flatMap((worker) => worker.logged('notification.created'))
        .filter(({ msg }) => /^Paused: at the credit reserve/.test(msg)).length
    await until(() => told() > 0, { timeoutMs: 120_000, what: 'the news of the pause' })
    system.simulator.topUp(100)
    expect((await system.cli(['wait', '--timeout', '120'])).code).toBe(0)
    expect(system.simulator.credits()).toBe(50)
    expect(system.simulator.paid()).toBe(150)
    expect(told()).toBe(1)
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

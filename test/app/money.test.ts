import { afterEach, describe, expect, test } from '@jest/globals'
import { resumeByHand } from '../../src/control/resume.js'
import { SIMULATOR_KEY } from '../../src/simulator/options.js'
import { type InProcessSystem, queries, startInProcess } from '../support/in-process-system.js'
import { until } from '../support/until.js'

/**
 * Workers, pauses, holds and limits together: real parts, several workers, the simulator as
 * witness.
 */
let registry: InProcessSystem
afterEach(() => registry.close())

const causes = async () => (await registry.store.pauses.list()).map((row) => row.cause)
const tagged = async () => (await registry.status()).batches[0]?.tagged
const done = (count: number) =>
  until(async () => (await tagged()) === count, { timeoutMs: 40_000, what: `${count} tagged rows` })
/** An answer is on record before the gate is opened for it. */
const widened = () =>
  until(async () => !(await registry.queue.throttle.isSerial()), { timeoutMs: 40_000, what: 'the end of the probe' })

/** When GET /me was asked, by the account's own history. */
async function timesAskedAt(): Promise<readonly number[]> {
  const headers = { authorization: `Bearer ${SIMULATOR_KEY}` }
  const response = await fetch(`${registry.simulator.url}/usage?limit=100`, { headers })
  const { usage } = (await response.json()) as { usage: { endpoint: string; timestamp: string }[] }
  const asked = usage.filter((entry) => entry.endpoint === '/me').map((entry) => Date.parse(entry.timestamp))
  return asked.reverse()
}

test('an outage pauses the fleet; each probe makes few calls; it heals by itself and nothing is dead', async () => {
  registry = await startInProcess({ env: { TRACKYARD_CREDIT_CHECK_MS: '300' } })
  registry.simulator.fail({ does: { status: 503 } })
  await registry.submit(queries(60))
  await registry.worker()
  await registry.worker()
  await until(async () => (await causes()).includes('outage'), { timeoutMs: 40_000, what: 'the outage' })
  await until(() => registry.log.logged('queue.resumed').length >= 2, { timeoutMs: 40_000, what: 'two probes' })
  await until(() => registry.log.logged('queue.paused').length >= 3, {
    timeoutMs: 40_000,
    what: 'the third pause',
  })
  // A probe may be under way before it is told.
  const probes = registry.log.logged('queue.resumed').length + 1
  expect(registry.simulator.calls().length).toBeLessThanOrEqual(25 + 20 + 3 * probes)
  registry.simulator.heal()
  await done(60)
  expect(await causes()).toEqual([])
  await widened()
}, 120_000)

test('in a long outage the probes go round all that waits, so that nobody uses up his attempts', async () => {
  // Nobody but this test ends a pause, however long all twelve may take.
  const byHand = { TRACKYARD_CREDIT_CHECK_MS: '3600000' }
  registry = await startInProcess({ env: { ...byHand, TRACKYARD_CONCURRENCY: '1', TRACKYARD_BACKOFF_BASE_MS: '100' } })
  registry.simulator.fail({ does: { status: 503 } })
  await registry.submit(queries(50))
  await registry.worker()
  for (let outages = 1; outages <= 12; outages += 1) {
    await until(() => registry.log.logged('queue.paused').length === outages, {
      timeoutMs: 40_000,
      what: `pause ${outages}`,
    })
    // The rows are there first; a worker that sees them settles its last job by closing the queue.
    await until(() => registry.queue.throttle.isPaused(), { timeoutMs: 40_000, what: 'the closed queue' })
    if (outages < 12) await resumeByHand({ ...registry, now: registry.now })
  }
  const calls = registry.simulator.calls()
  expect(calls.length).toBeGreaterThanOrEqual(25 + 11 * 3)
  const mostOf = Math.max(...queries(50).map((query) => calls.filter((call) => call.query === query).length))
  expect(mostOf).toBeLessThanOrEqual(6)
  registry.simulator.heal()
  await resumeByHand({ ...registry, now: registry.now })
  await done(50)
}, 120_000)

describe('searches that fail whatever the health of the API', () => {
  const deadOnes = async () => (await registry.store.deadLetters.list({}, null, 100)).letters
  const failedCalls = (query: string) =>
    registry.simulator.calls().filter((call) => call.query === query && call.status === 500).length
  const allDead = (count: number) =>
    until(async () => (await deadOnes()).length === count, { timeoutMs: 40_000, what: `${count} dead letters` })

  test('end after their attempts, and no handful of them looks like an outage; a retry of all ends the same way', async () => {
    registry = await startInProcess()
    const bad = queries(4, 'poison')
    registry.simulator.fail({ match: 'poison', does: { status: 500 } })
    await registry.submit([...bad, ...queries(20)])
    await registry.worker()
    await done(20)
    await allDead(4)
    expect((await deadOnes()).map(({ letter }) => letter.attempts)).toEqual([8, 8, 8, 8])
    expect(bad.map(failedCalls)).toEqual([8, 8, 8, 8])

    expect(await registry.store.deadLetters.retryAll({})).toMatchObject({ retried: 4, due: 4 })
    await until(() => bad.every((query) => failedCalls(query) === 16), { timeoutMs: 40_000, what: 'the calls anew' })
    await allDead(4)
    expect(registry.log.logged('queue.paused')).toEqual([])
    expect(registry.simulator.calls()).toHaveLength(20 + 4 * 16)
  }, 120_000)

  test('end after their attempts as the probe of an account that was topped up', async () => {
    registry = await startInProcess({ simulator: { credits: 0 }, env: { TRACKYARD_CREDIT_CHECK_MS: '300' } })
    await registry.submit(['poison'])
    await registry.worker()
    await until(async () => (await causes()).includes('no_credits'), { timeoutMs: 40_000, what: 'the pause' })
    registry.simulator.fail({ does: { status: 500 } })
    registry.simulator.topUp(100)
    await allDead(1)
    expect(failedCalls('poison')).toBe(8)
    // What comes next is the probe then.
    registry.simulator.heal()
    await registry.submit(['calm piano'], { name: 'next' })
    await done(1)
    await widened()
  }, 120_000)

  test('end in an outage that is none as well: the probes go round until all have used up their attempts', async () => {
    registry = await startInProcess({ env: { TRACKYARD_CREDIT_CHECK_MS: '300', TRACKYARD_MAX_ATTEMPTS: '2' } })
    registry.simulator.fail({ match: 'poison', does: { status: 500 } })
    await registry.submit(queries(25, 'poison'))
    await registry.worker()
    await until(async () => (await causes()).includes('outage'), { timeoutMs: 40_000, what: 'the outage' })
    // By hand, rather than at intervals that double.
    await until(
      async () => {
        if ((await causes()).length > 0) await resumeByHand({ ...registry, now: registry.now })
        return (await deadOnes()).length === 25
      },
      { timeoutMs: 60_000, what: '25 dead letters' },
    )
    expect(registry.simulator.calls()).toHaveLength(50)
  }, 120_000)
})

test('while credits are gone only one worker asks for the balance', async () => {
  registry = await startInProcess({ simulator: { credits: 5 }, env: { TRACKYARD_CREDIT_CHECK_MS: '800' } })
  await registry.submit(queries(12))
  for (let n = 0; n < 3; n += 1) await registry.worker()
  await until(async () => (await causes()).includes('no_credits'), { timeoutMs: 40_000, what: 'the pause' })
  const [pause] = await registry.store.pauses.list()
  // Each of the three has asked once when it started, and once when a call of its own was refused.
  const looks = async () => (await timesAskedAt()).slice(3).filter((at) => at > (pause?.since ?? 0) + 700)
  await until(async () => (await looks()).length >= 2, {
    timeoutMs: 40_000,
    what: 'two looks at the balance',
    everyMs: 250,
  })
  // 0.8 s after the pause and 1.6 s after that; with a watch in each worker the second look would
  // be the first of another one.
  const [, second = 0] = await looks()
  expect(second - (pause?.since ?? Number.NaN)).toBeGreaterThanOrEqual(2400)
  registry.simulator.topUp(100)
  await done(12)
  expect(registry.simulator.paidTwice()).toEqual([])
}, 120_000)

test("the day's limit is one hold with one visible end, said as such, and the day after goes on", async () => {
  const dayMs = 12_000
  const before = performance.now()
  registry = await startInProcess({ simulator: { perDay: 10, dayMs } })
  const after = performance.now()
  await registry.worker()
  await registry.worker()
  // The calls must not fall on both sides of a midnight. The days began between these two moments.
  const isMorning = () => [before, after].every((from) => (performance.now() - from) % dayMs < dayMs / 2)
  await until(isMorning, { timeoutMs: 40_000, what: 'a morning' })
  await registry.submit(queries(15))
  let first = (await registry.status()).queue
  const isHeld = async () => {
    first = (await registry.status()).queue
    return first.state === 'held'
  }
  await until(isHeld, { timeoutMs: 40_000, what: 'the hold' })
  const inHand = async () => (await registry.status()).queue.active
  await until(async () => (await inHand()) === 0, { timeoutMs: 40_000, what: 'the end of the calls in flight' })
  expect(first.reason).toMatch(/The day's limit of calls is used up: no calls until/)
  const refused = () => registry.simulator.calls().filter((call) => call.status === 429).length
  const atHold = refused()
  await until(() => registry.now() > Date.parse(first.until ?? '') - 300, {
    timeoutMs: 40_000,
    what: 'the end of the day',
  })
  expect(refused()).toBe(atHold)
  await done(15)
  expect(registry.simulator.paid()).toBe(15)
}, 120_000)

test('the limit follows the account while workers run', async () => {
  registry = await startInProcess({ simulator: { perMinute: 100_000 }, env: { TRACKYARD_RATE_LIMIT: 'auto' } })
  await registry.worker()
  const pace = async () => (await registry.queue.throttle.rate())?.callsPerMinute
  expect(await pace()).toBe(100_000)
  registry.simulator.setLimit(6000)
  await registry.submit(queries(3))
  await done(3)
  await until(async () => (await pace()) === 6000, { timeoutMs: 40_000, what: 'the new pace' })
}, 120_000)

test('another program on the key is noticed in the headers and left its share', async () => {
  registry = await startInProcess({
    simulator: { perMinute: 600, limitKind: 'sliding' },
    env: { TRACKYARD_RATE_LIMIT: 'auto' },
  })
  await registry.worker()
  expect(registry.simulator.useElsewhere(200)).toBe(200)
  await registry.submit(queries(5))
  await done(5)
  // It is said after the pace is set.
  await until(() => registry.log.logged('rate_limit.shared').length > 0, {
    timeoutMs: 40_000,
    what: 'the log to say so',
  })
  expect((await registry.queue.throttle.rate())?.callsPerMinute).toBeLessThanOrEqual(420)
  expect((await registry.status({ TRACKYARD_RATE_LIMIT: 'auto' })).pace.limit_per_minute).toBeLessThanOrEqual(420)
}, 120_000)

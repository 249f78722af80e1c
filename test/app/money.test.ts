import { describe, expect, test } from '@jest/globals'
import { resumeByHand } from '../../src/control/pauses.js'
import { type InProcessSystem, inProcessTest, queries, withInProcess } from '../support/in-process-system.js'
import { until } from '../support/until.js'

/** Workers, pauses and rate limits together: real parts, several workers, a simulated API. */

/** How many log lines have this event, and this field. */
const logged = (system: InProcessSystem, event: string, field = 'event') =>
  system.log.lines.filter(({ facts }) => 'event' in facts && facts.event === event && field in facts).length
const causes = async (system: InProcessSystem) => (await system.store.pauses.list()).map((row) => row.cause)
const tagged = async (system: InProcessSystem) => (await system.status()).batches[0]?.tagged
const done = (system: InProcessSystem, count: number) =>
  until(async () => (await tagged(system)) === count, { timeoutMs: 120_000, what: `${count} tagged rows` })
/** The probe ends a moment after its answer is in the store. */
const probeEnded = (system: InProcessSystem) =>
  until(async () => !(await system.queue.throttle.isSerial()), { timeoutMs: 120_000, what: 'the end of the probe' })

inProcessTest(
  'an outage pauses all workers, then ends on its own with no dead letter',
  { env: { TRACKYARD_CREDIT_CHECK_MS: '300' } },
  async (system) => {
    system.simulator.fail({ does: { status: 503 } })
    await system.worker()
    await system.worker()
    // After their start: a worker that starts during a pause logs it too.
    await system.submit(queries(60))
    await until(async () => (await causes(system)).includes('outage'), { timeoutMs: 120_000, what: 'the outage' })
    await until(() => logged(system, 'queue.resumed') >= 2, { timeoutMs: 120_000, what: 'two probes' })
    await until(() => logged(system, 'queue.paused') >= 3, {
      timeoutMs: 120_000,
      what: 'the third pause',
    })
    // A probe may have begun before its log line.
    const probes = logged(system, 'queue.resumed') + 1
    expect(system.simulator.calls().length).toBeLessThanOrEqual(25 + 20 + 3 * probes)
    system.simulator.clearFault()
    await done(system, 60)
    expect(await causes(system)).toEqual([])
    await probeEnded(system)
  },
)

test.concurrent('in a long outage probes rotate, so no search uses up its attempts', async () => {
  // Only this test ends a pause, however long all twelve take.
  const byHand = { TRACKYARD_CREDIT_CHECK_MS: '3600000' }
  await withInProcess(
    { env: { ...byHand, TRACKYARD_CONCURRENCY: '1', TRACKYARD_BACKOFF_BASE_MS: '100' } },
    async (system) => {
      system.simulator.fail({ does: { status: 503 } })
      await system.submit(queries(50))
      await system.worker()
      for (let outages = 1; outages <= 12; outages += 1) {
        await until(() => logged(system, 'queue.paused') === outages, {
          timeoutMs: 120_000,
          what: `pause ${outages}`,
        })
        // The store has the pause first. The worker pauses Redis while it finishes its last job.
        await until(() => system.queue.throttle.isPaused(), { timeoutMs: 120_000, what: 'the paused queue' })
        if (outages < 12) await resumeByHand({ ...system, now: system.now })
      }
      const calls = system.simulator.calls()
      expect(calls.length).toBeGreaterThanOrEqual(25 + 11 * 3)
      const mostOf = Math.max(...queries(50).map((query) => calls.filter((call) => call.query === query).length))
      expect(mostOf).toBeLessThanOrEqual(6)
      system.simulator.clearFault()
      await resumeByHand({ ...system, now: system.now })
      await done(system, 50)
    },
  )
}, 240_000)

describe('searches that fail although the API is healthy', () => {
  const deadLetters = async (system: InProcessSystem) => (await system.store.deadLetters.list({}, null, 100)).letters
  const failedCalls = (system: InProcessSystem, query: string) =>
    system.simulator.calls().filter((call) => call.query === query && call.status === 500).length
  const allDead = (system: InProcessSystem, count: number) =>
    until(async () => (await deadLetters(system)).length === count, {
      timeoutMs: 120_000,
      what: `${count} dead letters`,
    })

  inProcessTest('become dead letters, are no outage, and a retry ends the same way', {}, async (system) => {
    const bad = queries(4, 'poison')
    system.simulator.fail({ match: 'poison', does: { status: 500 } })
    await system.submit([...bad, ...queries(20)])
    await system.worker()
    await done(system, 20)
    await allDead(system, 4)
    expect((await deadLetters(system)).map(({ letter }) => letter.attempts)).toEqual([8, 8, 8, 8])
    expect(bad.map((query) => failedCalls(system, query))).toEqual([8, 8, 8, 8])

    expect(await system.store.deadLetters.retry({})).toMatchObject({ retried: 4, due: 4 })
    await until(() => bad.every((query) => failedCalls(system, query) === 16), {
      timeoutMs: 120_000,
      what: 'the calls of the retry',
    })
    await allDead(system, 4)
    expect(logged(system, 'queue.paused')).toBe(0)
    expect(system.simulator.calls()).toHaveLength(20 + 4 * 16)
  })

  inProcessTest(
    'become dead letters even as the probe after a top-up',
    { simulator: { credits: 0 }, env: { TRACKYARD_CREDIT_CHECK_MS: '300' } },
    async (system) => {
      await system.submit(['poison'])
      await system.worker()
      await until(async () => (await causes(system)).includes('no_credits'), { timeoutMs: 120_000, what: 'the pause' })
      system.simulator.fail({ does: { status: 500 } })
      system.simulator.topUp(100)
      await allDead(system, 1)
      expect(failedCalls(system, 'poison')).toBe(8)
      // The next search becomes the probe.
      system.simulator.clearFault()
      await system.submit(['calm piano'], { name: 'next' })
      await done(system, 1)
      await probeEnded(system)
    },
  )

  inProcessTest(
    'become dead letters even if the breaker takes them for an outage',
    { env: { TRACKYARD_CREDIT_CHECK_MS: '300', TRACKYARD_MAX_ATTEMPTS: '2' } },
    async (system) => {
      system.simulator.fail({ match: 'poison', does: { status: 500 } })
      await system.submit(queries(25, 'poison'))
      await system.worker()
      await until(async () => (await causes(system)).includes('outage'), { timeoutMs: 120_000, what: 'the outage' })
      // Resumed by hand, since the intervals of the auto-resume double.
      await until(
        async () => {
          if ((await causes(system)).length > 0) await resumeByHand({ ...system, now: system.now })
          return (await deadLetters(system)).length === 25
        },
        { timeoutMs: 120_000, what: '25 dead letters' },
      )
      expect(system.simulator.calls()).toHaveLength(50)
    },
  )
})

inProcessTest(
  'while out of credits only one worker checks the balance',
  { simulator: { credits: 5 }, env: { TRACKYARD_CREDIT_CHECK_MS: '800' } },
  async (system) => {
    await system.submit(queries(12))
    for (let n = 0; n < 3; n += 1) await system.worker()
    await until(async () => (await causes(system)).includes('no_credits'), { timeoutMs: 120_000, what: 'the pause' })
    const [pause] = await system.store.pauses.list()
    // When the balance was checked to end the pause. Each worker has checked it too when it started and was refused.
    const checks = new Set<number>()
    const hasCheckedTwice = async () => {
      const { askedAt } = await system.store.pauses.watch()
      if (askedAt !== null) checks.add(askedAt)
      return checks.size === 2
    }
    await until(hasCheckedTwice, { timeoutMs: 120_000, what: 'two checks of the balance', everyMs: 5 })
    // 0.8 s after the pause, and 1.6 s after that. If each worker checked, the second check would be
    // the first one of another worker.
    const [, second = 0] = checks
    expect(second - (pause?.since ?? Number.NaN)).toBeGreaterThanOrEqual(2400)
    system.simulator.topUp(100)
    await done(system, 12)
    expect(system.simulator.paidTwice()).toEqual([])
  },
)

test.concurrent('a used-up daily limit stops all calls until the next day', async () => {
  const dayMs = 20_000
  const before = performance.now()
  await withInProcess({ simulator: { perDay: 10, dayMs } }, async (system) => {
    const after = performance.now()
    await system.worker()
    await system.worker()
    // The calls must all fall on one day. The days began between these two moments.
    const isMorning = () => [before, after].every((from) => (performance.now() - from) % dayMs < dayMs / 2)
    await until(isMorning, { timeoutMs: 120_000, what: 'a morning' })
    await system.submit(queries(15))
    const isRateLimited = async () => (await system.status()).queue.state === 'rate_limited'
    await until(isRateLimited, { timeoutMs: 120_000, what: 'the rate limit' })
    const active = async () => (await system.status()).queue.active
    await until(async () => (await active()) === 0, { timeoutMs: 120_000, what: 'the end of the calls in flight' })
    // Not the look that found the limit: it may have read the account before the refusal was saved.
    const first = (await system.status()).queue
    expect(first.reason).toMatch(/Daily call limit used up: no calls until/)
    const refused = () => system.simulator.calls().filter((call) => call.status === 429).length
    const refusedAtLimit = refused()
    await until(() => system.now() > Date.parse(first.until ?? '') - 300, {
      timeoutMs: 120_000,
      what: 'the end of the day',
    })
    expect(refused()).toBe(refusedAtLimit)
    await done(system, 15)
    expect(system.simulator.paid()).toBe(15)
  })
}, 240_000)

inProcessTest(
  'the limit follows the account while workers run',
  { simulator: { perMinute: 100_000 }, env: { TRACKYARD_RATE_LIMIT: 'auto' } },
  async (system) => {
    await system.worker()
    const rate = async () => (await system.queue.throttle.rate())?.callsPerMinute
    expect(await rate()).toBe(100_000)
    system.simulator.setLimit(6000)
    await system.submit(queries(3))
    await done(system, 3)
    await until(async () => (await rate()) === 6000, { timeoutMs: 120_000, what: 'the new rate' })
  },
)

inProcessTest(
  'another client of the key is seen in the headers and left its share',
  {
    simulator: { perMinute: 600, limitKind: 'sliding' },
    env: { TRACKYARD_RATE_LIMIT: 'auto' },
  },
  async (system) => {
    await system.worker()
    expect(system.simulator.useElsewhere(200)).toBe(200)
    await system.submit(queries(5))
    await done(system, 5)
    // Logged after the rate is set.
    await until(() => logged(system, 'rate_limit.shared') > 0, {
      timeoutMs: 120_000,
      what: 'the log line',
    })
    expect((await system.queue.throttle.rate())?.callsPerMinute).toBeLessThanOrEqual(420)
    expect((await system.status({ TRACKYARD_RATE_LIMIT: 'auto' })).calls_per_minute.limit).toBeLessThanOrEqual(420)
  },
)

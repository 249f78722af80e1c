import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { pause, resume, resumeByHand, syncThrottle } from '../../src/control/pauses.js'
import { refreshAccount } from '../../src/control/refresh-account.js'
import type { PauseCause } from '../../src/domain/pause.js'
import { PAUSE_CAUSES } from '../../src/domain/pause.js'
import { type AutoResumeRules, autoResumeTask, intervalMs } from '../../src/maintenance/auto-resume.js'
import { type InProcessSystem, refOf, startInProcess } from '../support/in-process-system.js'
import { limitRate, succeedProbe } from '../support/pauses.js'
import { until } from '../support/until.js'

/** Rows are the truth, the gate follows. Time is an argument here, so hours pass at once. */
let system: InProcessSystem
let time = 0
beforeEach(async () => {
  system = await startInProcess({ simulator: { credits: 0 } })
  time = 1_000_000
})
afterEach(() => system.close())

const parts = () => ({ ...system, now: () => time })
const causes = async () => (await system.store.pauses.list()).map((row) => row.cause)
const throttle = () => system.queue.throttle

describe('pause and resume', () => {
  test('a pause is a row and the flag; a second one for that cause changes nothing', async () => {
    expect(await pause(parts(), 'operator', 'lunch')).toBe(true)
    time += 5000
    expect(await pause(parts(), 'operator', 'dinner')).toBe(false)
    expect(await system.store.pauses.list()).toEqual([{ cause: 'operator', since: 1_000_000, detail: 'lunch' }])
    expect(await throttle().isPaused()).toBe(true)
  })

  test('lifting one cause leaves the others, and the queue paused', async () => {
    await pause(parts(), 'operator', '')
    await pause(parts(), 'no_credits', 'empty')
    expect(await resume(parts(), ['no_credits'])).toMatchObject({ lifted: ['no_credits'], stillActive: ['operator'] })
    expect(await throttle().isPaused()).toBe(true)
    expect(await resume(parts(), PAUSE_CAUSES)).toMatchObject({ lifted: ['operator'], stillActive: [] })
    expect(await throttle().isPaused()).toBe(false)
    // By the clock of the parts, which is that of the database.
    expect((await system.store.timeline.list(1)).map(({ kind, at }) => [kind, at])).toEqual([['resumed', time]])
  })

  test("an operator's pause ends for all workers; every other one with a probe", async () => {
    await pause(parts(), 'operator', '')
    await resume(parts(), PAUSE_CAUSES)
    expect(await throttle().isSerial()).toBe(false)
    for (const cause of ['no_credits', 'reserve', 'unauthorized', 'failing', 'outage'] as const) {
      await pause(parts(), cause, '')
      await resume(parts(), PAUSE_CAUSES)
      const probing = async () => (await system.status()).queue.probing
      expect({ cause, isSerial: await throttle().isSerial(), shown: await probing() }).toEqual({
        cause,
        isSerial: true,
        shown: true,
      })
      await succeedProbe(system.store, Date.now())
      await syncThrottle(parts())
      expect(await probing()).toBe(false)
      expect(await throttle().isSerial()).toBe(false)
    }
  })

  test('a resume after a refused key retries what it refused', async () => {
    await system.submit(['a'])
    const claim = await system.store.calls.claim(refOf('a'), {
      now: time,
      openCallMaxAgeMs: 5000,
      creditReserve: 0,
      apiUrl: 'http://127.0.0.1',
      token: 1,
    })
    if (claim.kind !== 'granted') throw new Error(`expected a granted claim, got ${claim.kind}`)
    const death = {
      reason: 'unauthorized',
      status: 401,
      error: 'Unauthorized',
      code: null,
      message: null,
      requestId: null,
      remedy: '',
    } as const
    const { facts } = await system.api.search(claim.request)
    const decision = { do: 'deadLetter', death, body: null, pause: 'unauthorized', usesAttempt: false } as const
    const end = { outcome: 'unauthorized', detail: null, facts, now: time, decision } as const
    await system.store.calls.close({ id: claim.callId, token: claim.token, ref: refOf('a') }, end, time)
    expect((await system.store.reports.totals(time)).deadLetters).toBe(1)
    expect(await resume(parts(), PAUSE_CAUSES)).toMatchObject({ retried: 1 })
    expect(await system.store.reports.totals(time)).toMatchObject({ deadLetters: 0, due: 1 })
  })
})

describe('a daily rate limit', () => {
  test('is lifted by resume, with a probe; its delayed jobs run at once', async () => {
    system.simulator.setCredits(10)
    system.simulator.fail({ timesInTotal: 1, does: { status: 429, headers: { 'retry-after': '86400' } } })
    await system.submit(['a', 'b'])
    await system.worker()
    const now = () => Date.now()
    await until(async () => (await throttle().rateLimitedUntil()) !== null, { timeoutMs: 120_000, what: 'the hold' })
    await until(async () => (await system.queue.searches.counts()).delayed > 0, {
      timeoutMs: 120_000,
      what: 'the delay',
    })
    expect(await resumeByHand({ ...parts(), now })).toEqual({
      lifted: [],
      stillActive: [],
      retried: 0,
      rateLimit: 'of the API',
      hoursOverriddenUntil: null,
    })
    expect(await system.store.pauses.rateLimitedUntil(now())).toBeNull()
    const done = async () => (await system.store.reports.totals(0)).callsByOutcome.answered === 2
    await until(done, { timeoutMs: 120_000, what: 'both answers' })
    await until(async () => !(await throttle().isSerial()), { timeoutMs: 120_000, what: 'the end of the probe' })
    expect((await resumeByHand({ ...parts(), now })).rateLimit).toBeNull()
  })
})

describe('the rate limit in Redis follows the store', () => {
  const now = () => Date.now()
  const answered = async (count: number) => (await system.store.reports.totals(0)).callsByOutcome.answered === count
  const limiter = () => system.queue.boardQueues.search.toKey('limiter')

  test('a wall clock set back by an hour does not add an hour of waiting', async () => {
    system.simulator.setCredits(10)
    await system.submit(['a'])
    await system.worker({ TRACKYARD_RATE_LIMIT: '600' })
    await until(() => answered(1), { timeoutMs: 120_000, what: 'the first answer' })
    // What Redis then makes of the window that the last start has opened.
    await system.redis.command('SET', limiter(), '1', 'PX', '3587365')
    await system.submit(['b'])
    await until(() => answered(2), { timeoutMs: 120_000, what: 'the second answer' })
    const logged = () => system.log.logged('rate_limit.corrected').length === 1
    await until(logged, { timeoutMs: 120_000, what: 'the line of the log' })
  })

  test('a resume while Redis is down also lifts its rate limit once it is back', async () => {
    system.simulator.setCredits(10)
    await system.submit(['a'])
    await limitRate(system.store, now() + 86_400_000, now())
    await throttle().rateLimit(now() + 86_400_000)
    await system.store.pauses.liftRateLimit(now())
    await system.worker()
    await until(() => answered(1), { timeoutMs: 120_000, what: 'the answer' })
    expect(await throttle().rateLimitedUntil()).toBeNull()
  })

  test('a resume lifts a stale rate limit in Redis even without workers', async () => {
    await throttle().setRate(10)
    await system.redis.command('SET', limiter(), '1', 'PX', '3587365')
    expect(await resumeByHand({ ...parts(), now })).toMatchObject({ rateLimit: null })
    expect(await system.queue.boardQueues.search.getRateLimitTtl()).toBeLessThan(20_000)
    await throttle().rateLimit(now() + 86_400_000)
    expect(await resumeByHand({ ...parts(), now })).toMatchObject({ rateLimit: 'in Redis only' })
  })

  test('a rate limit missing in Redis is set again; a new one survives the sync', async () => {
    const hour = now() + 3_600_000
    await limitRate(system.store, hour, now())
    await syncThrottle({ ...parts(), now })
    expect(Math.abs(Number(await throttle().rateLimitedUntil()) - hour)).toBeLessThan(20_000)
    await system.store.pauses.liftRateLimit(now())
    const minute = now() + 60_000
    const slow = {
      ...throttle(),
      syncRateLimit: async (recorded: number | null) => {
        await limitRate(system.store, minute, now())
        await throttle().rateLimit(minute)
        return throttle().syncRateLimit(recorded)
      },
    }
    await syncThrottle({ ...parts(), now, queue: { throttle: slow } })
    expect(Math.abs(Number(await throttle().rateLimitedUntil()) - minute)).toBeLessThan(20_000)
  })
})

describe('the flag follows the rows', () => {
  test('a crash between row and flag is repaired, both ways', async () => {
    await system.store.pauses.add({ cause: 'outage', since: time, detail: '' })
    await syncThrottle(parts())
    expect(await throttle().isPaused()).toBe(true)
    await system.store.pauses.lift('outage', true, Date.now())
    await syncThrottle(parts())
    expect([await throttle().isPaused(), await throttle().isSerial()]).toEqual([false, true])
  })

  test('a Redis that lost its flags has them again after the next sync', async () => {
    await pause(parts(), 'outage', '')
    await resume(parts(), PAUSE_CAUSES)
    await pause(parts(), 'operator', '')
    await system.redis.flush()
    await syncThrottle(parts())
    expect([await throttle().isPaused(), await throttle().isSerial()]).toEqual([true, true])
  })

  test('a pause during a resume keeps the queue paused', async () => {
    await system.queue.throttle.pause()
    const slow = {
      ...system.queue.throttle,
      resume: async () => {
        await system.queue.throttle.resume()
        await system.store.pauses.add({ cause: 'no_credits', since: time, detail: '' })
      },
    }
    await syncThrottle({ ...parts(), queue: { throttle: slow } })
    expect(await throttle().isPaused()).toBe(true)
  })

  test('a probe that begins while another ends stays a probe', async () => {
    await system.queue.throttle.startSerial()
    const slow = {
      ...system.queue.throttle,
      stopSerial: async () => {
        await system.store.pauses.add({ cause: 'outage', since: time, detail: '' })
        await system.store.pauses.lift('outage', true, Date.now())
        await system.queue.throttle.stopSerial()
      },
    }
    await syncThrottle({ ...parts(), queue: { throttle: slow } })
    expect(await throttle().isSerial()).toBe(true)
  })

  test('pauses and resumes in any order by three processes end as the rows say', async () => {
    const processes = [system, await system.another(), await system.another()].map((one) => ({
      ...parts(),
      ...one,
    }))
    const work = processes.flatMap((one, index) => {
      const cause: PauseCause = (['operator', 'outage', 'reserve'] as const)[index] ?? 'operator'
      return [pause(one, cause, ''), syncThrottle(one), resume(one, [cause]), syncThrottle(one), pause(one, cause, '')]
    })
    await Promise.all(work)
    for (const one of processes) await syncThrottle(one)
    expect(await throttle().isPaused()).toBe((await causes()).length > 0)
    await resume(parts(), PAUSE_CAUSES)
    for (const one of processes) await syncThrottle(one)
    expect(await throttle().isPaused()).toBe(false)
  })
})

describe('the pause that heals itself', () => {
  const HOUR = 3_600_000
  const RULES: AutoResumeRules = { checkMs: 60_000, longestMs: 900_000, autoResumeMs: 24 * HOUR, creditReserve: 0 }
  let asked: number[] = []

  function watch(rules: Partial<AutoResumeRules> = {}) {
    asked = []
    const refresh = async () => {
      asked.push(time)
      const answer = await refreshAccount(parts())
      return answer.kind === 'ok' ? answer.account : null
    }
    return autoResumeTask({ ...parts(), refreshAccount: refresh, rules: { ...RULES, ...rules } })
  }

  /** Ticks once a second, as the worker's maintenance does. */
  async function pass(tick: () => Promise<void>, ms: number): Promise<void> {
    for (const end = time + ms; time < end; time += 1000) await tick()
  }

  test('intervals double from the first to the longest and stay there', () => {
    const minutes = [0, 1, 2, 3, 4, 5, 60].map((fruitless) => intervalMs(fruitless, RULES) / 60_000)
    expect(minutes).toEqual([1, 2, 4, 8, 15, 15, 15])
    expect(intervalMs(9, { checkMs: 3_600_000, longestMs: 900_000 })).toBe(3_600_000)
  })

  test('asks for the balance at growing intervals, and a top-up lifts the pause through one probe', async () => {
    await pause(parts(), 'no_credits', 'empty')
    const watching = watch()
    await pass(watching, 16 * 60_000)
    const gaps = asked.map((at, index) => Math.round((at - (asked[index - 1] ?? 1_000_000)) / 60_000))
    expect(gaps).toEqual([1, 2, 4, 8])
    expect(await causes()).toEqual(['no_credits'])
    system.simulator.topUp(500)
    await pass(watching, 15 * 60_000)
    expect(await causes()).toEqual([])
    expect([await throttle().isPaused(), await throttle().isSerial()]).toEqual([false, true])
    expect((await system.store.account.get()).creditsRemaining).toBe(500)
  })

  test('the times of the last and next check are stored for the next worker', async () => {
    await pause(parts(), 'no_credits', 'empty')
    const watching = watch()
    await pass(watching, 1000)
    expect(await system.store.pauses.watch()).toEqual({ askedAt: null, nextAt: 1_060_000 })
    await pass(watching, 61_000)
    expect(asked).toEqual([1_060_000])
    expect(await system.store.pauses.watch()).toEqual({ askedAt: 1_060_000, nextAt: 1_061_000 + 120_000 })
    await pass(watch(), 1000)
    expect(await system.store.pauses.watch()).toEqual({ askedAt: 1_060_000, nextAt: 1_062_000 + 60_000 })
  })

  test('a 402 right after the resume keeps the interval growing', async () => {
    system.simulator.setCredits(5)
    const watching = watch()
    for (let round = 0; round < 4; round += 1) {
      await pause(parts(), 'no_credits', 'empty')
      await pass(watching, 15 * 60_000)
      expect(await causes()).toEqual([])
    }
    const waits = asked.map((at, index) => Math.round((at - 1_000_000 - index * 15 * 60_000) / 60_000))
    expect(waits).toEqual([1, 2, 4, 8])
    await succeedProbe(system.store, Date.now())
    await pass(watching, 5000)
    await pause(parts(), 'no_credits', 'empty')
    const since = time
    await pass(watching, 2 * 60_000)
    expect(Math.round(((asked.at(-1) ?? 0) - since) / 60_000)).toBe(1)
  })

  test('the balance must be above the reserve', async () => {
    await pause(parts(), 'reserve', '')
    system.simulator.setCredits(20)
    const watching = watch({ creditReserve: 20 })
    await pass(watching, 10 * 60_000)
    expect(await causes()).toEqual(['reserve'])
    system.simulator.setCredits(21)
    await pass(watching, 10 * 60_000)
    expect(await causes()).toEqual([])
  })

  test('an outage is probed without checking the balance', async () => {
    await pause(parts(), 'outage', 'HTTP 503')
    await pass(watch(), 61_000)
    expect(await causes()).toEqual([])
    expect(await throttle().isSerial()).toBe(true)
    expect([asked, (await system.store.pauses.watch()).askedAt]).toEqual([[], null])
  })

  test("never lifts what a person must look at, nor opens the queue under an operator's pause", async () => {
    system.simulator.setCredits(100)
    for (const cause of ['operator', 'unauthorized', 'failing', 'no_credits'] as const) await pause(parts(), cause, '')
    const watching = watch()
    await pass(watching, 40 * 60_000)
    expect(new Set(await causes())).toEqual(new Set(['operator', 'unauthorized', 'failing']))
    expect(await throttle().isPaused()).toBe(true)
    expect(asked).toHaveLength(1)
  })

  test('after the configured hours it is left to a person, without checks', async () => {
    await pause(parts(), 'no_credits', '')
    const watching = watch({ autoResumeMs: HOUR })
    await pass(watching, HOUR + 1000)
    const before = asked.length
    system.simulator.setCredits(100)
    time += HOUR
    await pass(watching, HOUR)
    expect(await causes()).toEqual(['no_credits'])
    expect(asked).toHaveLength(before)
    await pass(watch({ autoResumeMs: 0 }), HOUR)
    expect(asked).toEqual([])
  })

  test('a failed check changes nothing', async () => {
    system.simulator.setCredits(100)
    system.simulator.fail({ endpoint: 'me', timesInTotal: 2, does: { status: 500 } })
    await pause(parts(), 'no_credits', '')
    const watching = watch()
    await pass(watching, 4 * 60_000)
    expect(asked).toHaveLength(2)
    expect(await causes()).toEqual(['no_credits'])
    await pass(watching, 4 * 60_000)
    expect(await causes()).toEqual([])
  })

  test('a wall clock set back by an hour does not delay the next check by an hour', async () => {
    await pause(parts(), 'no_credits', '')
    system.simulator.setCredits(100)
    const watching = watch()
    await pass(watching, 30_000)
    time -= HOUR
    await pass(watching, 62_000)
    expect(await causes()).toEqual([])
  })

  test('continues after a restart of everything, from the rows', async () => {
    await pause(parts(), 'no_credits', '')
    await system.redis.restart()
    system.simulator.setCredits(100)
    await pass(watch(), 61_000)
    expect(await causes()).toEqual([])
  })
})

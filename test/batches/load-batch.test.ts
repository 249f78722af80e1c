import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { estimate } from '../../src/batches/estimate.js'
import { cancelBatch, findBatch } from '../../src/batches/find-batch.js'
import { loadBatch } from '../../src/batches/load-batch.js'
import { releaseBatch } from '../../src/batches/release.js'
import { parseActiveHours } from '../../src/domain/active-hours.js'
import { RefusedError, UsageError } from '../../src/domain/errors.js'
import type { Account } from '../../src/store/store.js'
import { batchNamed, type InProcessSystem, queries, rowsOf, startInProcess } from '../support/in-process-system.js'
import { until } from '../support/until.js'

const DAY_MS = 86_400_000
const ACCOUNT: Account = {
  creditsRemaining: null,
  limitPerMinute: null,
  limitPerDay: null,
  remainingToday: null,
  tier: null,
  monthlyAllowance: null,
  heardAt: null,
  apiUrl: null,
}

describe('the estimate', () => {
  const of = (
    creditsNeeded: number,
    account: Partial<Account> = {},
    more: Partial<Omit<Parameters<typeof estimate>[0], 'plan' | 'account'>> & { dueElsewhere?: number } = {},
  ) => {
    const { dueElsewhere = 0, ...input } = more
    return estimate({
      plan: { creditsNeeded, dueElsewhere },
      account: { ...ACCOUNT, ...account },
      ...{ callsPerMinute: 300, creditReserve: 0, cap: null, rateLimitedUntil: null, now: 0, activeHours: null },
      ...input,
    })
  }

  test('30,000 searches at 300 a minute take 100 minutes, after due ones', () => {
    expect(of(30_000)).toMatchObject({ durationMs: 6_000_000, finishAt: 6_000_000, days: 1, creditsMissing: null })
    expect(of(30_000, {}, { dueElsewhere: 3000 }).durationMs).toBe(6_600_000)
  })

  test('with active hours: the nights it takes, and when it ends', () => {
    const hours = parseActiveHours('22:00-06:00')
    if (hours === null) throw new Error('expected hours')
    const activeHours = { hours, zone: 'Europe/Berlin' }
    // 8 hours at 5 a minute are 2,400 calls.
    const at = (text: string) => ({ activeHours, callsPerMinute: 5, now: Date.parse(text) })
    const noon = '2026-03-01T12:00:00+01:00'
    expect(of(2400, {}, at(noon))).toMatchObject({ periods: 1, finishAt: Date.parse('2026-03-02T06:00:00+01:00') })
    expect(of(2405, {}, at(noon))).toMatchObject({ periods: 2, finishAt: Date.parse('2026-03-02T22:01:00+01:00') })
    expect(of(10, {}, at('2026-03-01T23:00:00+01:00'))).toMatchObject({ periods: 1, durationMs: 120_000 })
    // One hour less in the night to 29 March, and one more in the night to 25 October.
    expect(of(2400, {}, at('2026-03-28T12:00:00+01:00')).finishAt).toBe(Date.parse('2026-03-29T23:00:00+02:00'))
    expect(of(2700, {}, at('2026-10-24T12:00:00+02:00')).finishAt).toBe(Date.parse('2026-10-25T06:00:00+01:00'))
    // 1,000 a day: the limit is used up long before the night ends.
    const limited = of(2500, { limitPerDay: 1000, remainingToday: 1000 }, at(noon))
    expect(limited).toMatchObject({ periods: 3, finishAt: Date.parse('2026-03-03T23:40:00+01:00') })
    expect(of(0, {}, at(noon))).toMatchObject({ periods: 0, durationMs: 0 })
  })

  test('shows credits missing above the reserve, also in allowances', () => {
    const account = { creditsRemaining: 1000, monthlyAllowance: 300 }
    expect(of(1000, account)).toMatchObject({ creditsMissing: 0, allowancesNeeded: null })
    expect(of(1500, account, { creditReserve: 100 })).toMatchObject({ creditsMissing: 600, allowancesNeeded: 2 })
    expect(of(1500, { creditsRemaining: 50 }, { creditReserve: 100 })).toMatchObject({
      creditsMissing: 1500,
      allowancesNeeded: null,
    })
  })

  test('a cap limits the credits needed', () => {
    expect(of(1500, { creditsRemaining: 1000 }, { cap: 10 })).toMatchObject({ creditsNeeded: 10, creditsMissing: 0 })
  })

  test('a daily limit spreads it over days: the rest of today, then full days', () => {
    const day = { limitPerDay: 1000 }
    expect(of(1000, day).days).toBe(1)
    expect(of(1001, day)).toMatchObject({ days: 2, durationMs: DAY_MS + 200 })
    expect(of(1001, { ...day, remainingToday: 1 })).toMatchObject({ days: 2 })
    expect(of(1002, { ...day, remainingToday: 1 }).days).toBe(3)
    expect(of(10, { ...day, remainingToday: 0 })).toMatchObject({ days: 2, durationMs: DAY_MS + 2000 })
  })

  test('after a day whose limit was nearly used up, the rate may bound the next ones', () => {
    // 1,440 calls a day: 100 today, then 1,440 three times.
    const account = { limitPerDay: 2000, remainingToday: 100 }
    expect(of(4420, account, { callsPerMinute: 1 })).toMatchObject({ days: 4, durationMs: 4 * DAY_MS })
    expect(of(4421, account, { callsPerMinute: 1 })).toMatchObject({ days: 5, durationMs: 4 * DAY_MS + 60_000 })
  })

  test('more searches never finish earlier; no searches finish at once', () => {
    expect(of(0, { limitPerDay: 50, remainingToday: 0 })).toMatchObject({ durationMs: 0, days: 1 })
    const count = fc.integer({ min: 0, max: 100_000 })
    const limit = fc.option(fc.integer({ min: 1, max: 5000 }))
    fc.assert(
      fc.property(count, count, limit, limit, fc.integer({ min: 1, max: 300 }), (a, b, limitPerDay, left, pace) => {
        const account = {
          limitPerDay,
          remainingToday: limitPerDay === null || left === null ? null : Math.min(left, limitPerDay),
        }
        const [less, more] = [Math.min(a, b), Math.max(a, b)].map((n) => of(n, account, { callsPerMinute: pace }))
        return less !== undefined && more !== undefined && less.durationMs <= more.durationMs && less.days <= more.days
      }),
    )
  })
})

describe('loading', () => {
  let system: InProcessSystem
  beforeEach(async () => {
    system = await startInProcess()
  })
  afterEach(() => system.close())

  const one = (rows: ReturnType<typeof rowsOf>, options = {}) => loadBatch(system, batchNamed('night'), rows, options)
  const due = async () => (await system.store.reports.totals(system.now())).due

  test('nothing is due before the release, everything after it', async () => {
    const batch = await one(rowsOf([...queries(10), 'scene 1']))
    expect(batch.plan).toMatchObject({ rows: 11, searches: 10, creditsNeeded: 10 })
    expect(await due()).toBe(0)
    await batch.release({ maxCredits: null, first: null }, { notBefore: null, deadline: null })
    expect(await due()).toBe(10)
    await batch.drop()
    expect(await due()).toBe(10)
  })

  test('the same catalog again costs nothing', async () => {
    await system.submit(queries(10))
    expect((await one(rowsOf(queries(12)))).plan).toMatchObject({ alreadyQueued: 10, creditsNeeded: 2 })
  })

  test('an interrupt, an error or an empty catalog leaves no batch', async () => {
    const interrupt = new AbortController()
    const rows = queries(11_000)
    const stop = one(rowsOf(rows), { signal: interrupt.signal, progress: () => interrupt.abort() })
    await expect(stop).rejects.toThrow(/abort/i)
    async function* failing() {
      yield* rowsOf(queries(3))
      throw new Error('the disk is gone')
    }
    await expect(one(failing())).rejects.toThrow('the disk is gone')
    await expect(one(rowsOf([]))).rejects.toThrow(UsageError)
    await expect(findBatch(system, null)).rejects.toThrow(/no batch yet/)
  })

  test('the next submit drops an abandoned batch, not one with a heartbeat', async () => {
    const left = { ...batchNamed('left'), createdAt: system.now() - 120_000 }
    const id = await system.store.batches.create(left)
    const beating = await system.store.batches.create({ ...left, name: 'beating' })
    await system.store.batches.heartbeat(beating, system.now())
    await system.submit(['a'])
    expect(await system.store.batches.find(String(id))).toBeNull()
    expect(await system.store.batches.find('beating')).toMatchObject({ state: 'loading' })
  })

  test('an abandoned batch cannot be used, and cancel drops it', async () => {
    const left = { ...batchNamed('left'), createdAt: system.now() - 120_000 }
    await system.submit(['a'], { name: 'before' })
    await system.store.batches.create(left)
    expect((await findBatch(system, null)).name).toBe('before')
    await expect(findBatch(system, 'left')).rejects.toThrow(/No batch has the id or name "left"/)
    await system.store.batches.create(left)
    expect(await cancelBatch(system, 'left')).toMatchObject({ was: 'dropped' })
    await system.store.batches.create({ ...left, name: 'living', createdAt: system.now() })
    expect((await findBatch(system, null)).name).toBe('living')
    await expect(cancelBatch(system, 'living')).rejects.toThrow(/is being loaded by a submit/)
  })

  test('a cancel drops a scheduled batch', async () => {
    const rows = rowsOf(queries(2))
    const batch = await loadBatch(system, batchNamed('tonight'), rows)
    await batch.release({ maxCredits: null, first: null }, { notBefore: system.now() + DAY_MS, deadline: null })
    expect(await cancelBatch(system, 'tonight')).toMatchObject({ was: 'dropped' })
    expect(await system.store.batches.find('tonight')).toBeNull()
  })

  test('a worker drops an abandoned batch, without another submit', async () => {
    const id = await system.store.batches.create({ ...batchNamed('left'), createdAt: system.now() - 120_000 })
    await system.worker()
    await until(async () => (await system.store.batches.find(String(id))) === null, {
      timeoutMs: 120_000,
      what: 'the batch to be gone',
    })
  })

  test('a batch that was dropped meanwhile cannot be released', async () => {
    const batch = await one(rowsOf(['a']))
    await system.store.batches.drop(batch.id)
    await expect(batch.release({ maxCredits: null, first: null }, { notBefore: null, deadline: null })).rejects.toThrow(
      /Nothing was spent/,
    )
  })

  test('release raises a cap, never below its charges; cancel works once', async () => {
    const id = await system.submit(queries(10), { maxCredits: 2 })
    const batch = () => findBatch(system, String(id))
    await releaseBatch(system, { batch: await batch(), maxCredits: 5, first: null })
    expect(await due()).toBe(5)
    await releaseBatch(system, { batch: await batch(), maxCredits: null, first: null })
    expect(await due()).toBe(10)
    const overspent = { batch: { ...(await batch()), charged: 4 }, maxCredits: 3, first: null }
    await expect(releaseBatch(system, overspent)).rejects.toThrow(/used 4 credits/)
    await cancelBatch(system, String(id))
    expect(await due()).toBe(0)
    await expect(cancelBatch(system, String(id))).rejects.toThrow(RefusedError)
    await expect(releaseBatch(system, { batch: await batch(), maxCredits: null, first: null })).rejects.toThrow(
      /was cancelled/,
    )
    await expect(findBatch(system, 'nobody')).rejects.toThrow(/No batch has the id or name "nobody"/)
  })
})

import { expect, test } from '@jest/globals'
import { endProbe, extendRateLimit } from '../../src/store/pauses.js'
import type { Store } from '../../src/store/store.js'
import { claim, close, eachWithStore, granted, released, settle, type TempStore } from './setup.js'

let temp: TempStore
let store: Store
eachWithStore((opened) => {
  temp = opened
  store = opened.store
})

test('a cause is added once, keeps its detail, and is lifted alone', async () => {
  expect(await store.pauses.add({ cause: 'operator', since: 1, detail: 'lunch' })).toBe(true)
  expect(await store.pauses.add({ cause: 'operator', since: 2, detail: 'tea' })).toBe(false)
  expect(await store.pauses.add({ cause: 'no_credits', since: 3, detail: 'Out of credits' })).toBe(true)
  expect(await store.pauses.list()).toEqual([
    { cause: 'operator', since: 1, detail: 'lunch' },
    { cause: 'no_credits', since: 3, detail: 'Out of credits' },
  ])
  expect(await store.pauses.lift('no_credits', false, Date.now())).toEqual({ retried: 0 })
  expect(await store.pauses.lift('no_credits', true, Date.now())).toBeNull()
  expect((await store.pauses.list()).map((pause) => pause.cause)).toEqual(['operator'])
})

test('the lift of a refused key sends back what it refused, in the same transaction', async () => {
  await released(store, ['a', 'b', 'c'])
  const refused = await granted(store, 'a')
  await settle(store, 'b', 'refused')
  await close(store, refused, 'unauthorized')
  expect(await store.pauses.lift('unauthorized', true, 12_000)).toEqual({ retried: 1 })
  expect(await store.deadLetters.count({})).toBe(1)
  expect(await claim(store, 'a', { round: 2 })).toMatchObject({ kind: 'granted' })
})

test('a probe starts only for a lifted cause, and survives a restart', async () => {
  await store.pauses.lift('unauthorized', true, Date.now())
  expect(await store.pauses.probing()).toBe(false)
  await store.pauses.add({ cause: 'unauthorized', since: 1, detail: '' })
  await store.pauses.lift('unauthorized', true, Date.now())
  const other = await temp.openAgain()
  expect(await other.pauses.probing()).toBe(true)
  await temp.change(async (tx) => endProbe(tx, null, 2))
  expect(await store.pauses.probing()).toBe(false)
})

test('the rate limit is only ever extended, and ends on time', async () => {
  expect(await store.pauses.rateLimitedUntil(0)).toBeNull()
  await temp.change((tx) => extendRateLimit(tx, 500, 0))
  await temp.change((tx) => extendRateLimit(tx, 300, 0))
  expect(await store.pauses.rateLimitedUntil(499)).toBe(500)
  expect(await store.pauses.rateLimitedUntil(500)).toBeNull()
  await temp.change((tx) => extendRateLimit(tx, 900, 0))
  expect(await store.pauses.rateLimitedUntil(500)).toBe(900)
})

test('a rate limit from before the clock was set back is ignored', async () => {
  const anHour = 3_600_000
  await temp.change((tx) => extendRateLimit(tx, anHour + 60_000, anHour))
  expect(await store.pauses.rateLimitedUntil(anHour + 1)).toBe(anHour + 60_000)
  expect(await store.pauses.rateLimitedUntil(1000)).toBeNull()
  await temp.change((tx) => extendRateLimit(tx, 61_000, 1000))
  expect(await store.pauses.rateLimitedUntil(1000)).toBe(61_000)
})

test('a rate limit that is saved late neither shortens a later one nor begins when it is over', async () => {
  await released(store, ['a', 'b', 'c'])
  const saveLate = async (query: string, savedAt: number) =>
    close(store, await granted(store, query), 'rateLimited', { now: 11_000, savedAt })
  await saveLate('a', 70_000)
  expect(await store.pauses.rateLimitedUntil(11_000)).toBeNull()
  await saveLate('b', 69_000)
  expect(await store.pauses.rateLimitedUntil(69_000)).toBe(70_000)
  await temp.change((tx) => extendRateLimit(tx, 500_000, 69_000))
  await saveLate('c', 69_500)
  expect(await store.pauses.rateLimitedUntil(69_500)).toBe(500_000)
})

test('what the account is not told about stays as it was', async () => {
  expect(await store.account.get()).toEqual({
    creditsRemaining: null,
    limitPerMinute: null,
    limitPerDay: null,
    remainingToday: null,
    tier: null,
    monthlyAllowance: null,
    heardAt: null,
    apiUrl: null,
  })
  await store.account.update({ creditsRemaining: 7, limitPerMinute: 300, tier: 'pro' }, 10)
  await store.account.update({ limitPerMinute: 10, tier: null }, 20)
  expect(await store.account.get()).toMatchObject({ creditsRemaining: 7, limitPerMinute: 10, tier: null, heardAt: 20 })
})

import { describe, expect, test } from '@jest/globals'
import { extendRateLimit } from '../../src/store/pauses.js'
import type { Store } from '../../src/store/store.js'
import {
  charged,
  claim,
  close,
  counts,
  eachWithStore,
  feedAll,
  granted,
  RULES,
  refOf,
  release,
  released,
  settle,
  statuses,
  type TempStore,
} from './setup.js'

let temp: TempStore
let store: Store
eachWithStore((opened) => {
  temp = opened
  store = opened.store
})

describe('a claim', () => {
  test('is granted for a queued search, and for one whose job was added before it was marked', async () => {
    await released(store, ['queued'])
    await feedAll(store)
    await released(store, ['waiting'])
    for (const query of ['queued', 'waiting'])
      expect(await claim(store, query)).toMatchObject({
        kind: 'granted',
        request: { query, limit: 20, offset: 0 },
        failures: 0,
        probing: false,
      })
  })

  test.each([
    ['answered', 'answered'],
    ['noMatch', 'answered'],
    ['refused', 'dead'],
    ['unreadable', 'dead'],
  ] as const)('finds nothing to do after %s', async (ending, why) => {
    await released(store, ['a'])
    await settle(store, 'a', ending)
    expect(await claim(store, 'a')).toEqual({ kind: 'nothing_to_do', why })
  })

  test('finds nothing to do in an old round, and for a search that nobody submitted', async () => {
    await released(store, ['a'])
    await feedAll(store)
    await store.feed.requeueAll()
    expect(await claim(store, 'a')).toEqual({ kind: 'nothing_to_do', why: 'old round' })
    expect(await claim(store, 'never heard of')).toEqual({ kind: 'nothing_to_do', why: 'unknown search' })
    expect(await claim(store, 'a', { round: 2 })).toMatchObject({ kind: 'granted' })
  })

  test('waits for a call in flight until it times out as unknown, still charged', async () => {
    const batch = await released(store, ['a'])
    await granted(store, 'a', { now: 10_000 })
    expect(await claim(store, 'a', { now: 34_999 })).toEqual({ kind: 'call_open', until: 35_000 })
    await granted(store, 'a', { now: 35_000 })
    expect(await store.reports.totals(35_000)).toMatchObject({
      unknownOutcomes: 1,
      callsByOutcome: { sent: 1, unknown: 1 },
    })
    expect(await charged(store, batch)).toBe(2)
    expect(await store.reports.unknownOutcomes(9)).toMatchObject([
      { search: refOf('a').fingerprint, query: 'a', call: { attempt: 1, sentAt: 10_000, finishedAt: null } },
    ])
  })

  test('that is repeated because its acknowledgement was lost gets its own call, which nobody else gets', async () => {
    const batch = await released(store, ['a'])
    const call = await granted(store, 'a', { token: 7, now: 10_000 })
    await store.pauses.add({ cause: 'operator', since: 2, detail: 'by hand' })
    expect(await granted(store, 'a', { token: 7, now: 14_000 })).toBe(call)
    await store.pauses.lift('operator', false, Date.now())
    // Its request leaves only now.
    expect(await claim(store, 'a', { now: 38_999 })).toEqual({ kind: 'call_open', until: 39_000 })
    expect(await charged(store, batch)).toBe(1)
    await close(store, call, 'answered')
    expect(await claim(store, 'a', { token: 7 })).toEqual({ kind: 'nothing_to_do', why: 'answered' })
  })

  test('a wall clock that is set back by an hour leaves a call of a dead worker open no longer than ever', async () => {
    await released(store, ['a'])
    await granted(store, 'a', { now: 3_610_000 })
    expect(await claim(store, 'a', { now: 10_000 })).toEqual({ kind: 'call_open', until: 35_000 })
    expect(await claim(store, 'a', { now: 34_999 })).toEqual({ kind: 'call_open', until: 35_000 })
    await granted(store, 'a', { now: 35_000 })
    expect((await store.reports.totals(35_000)).unknownOutcomes).toBe(1)
  })

  test('two openings of the same file claim the same search at once: one call', async () => {
    const other = await temp.openAgain()
    const queries = Array.from({ length: 20 }, (_, index) => `query ${index}`)
    await released(store, queries)
    const claims = await Promise.all(
      queries.flatMap((query) => [claim(store, query), claim(other, query), claim(store, query)]),
    )
    for (const [index] of queries.entries()) {
      const kinds = claims.slice(index * 3, index * 3 + 3).map((answer) => answer.kind)
      expect(kinds.sort()).toEqual(['call_open', 'call_open', 'granted'])
    }
    expect((await other.reports.totals(RULES.now)).callsByOutcome.sent).toBe(20)
  })

  test('is refused during any pause, and granted after the last is lifted', async () => {
    await released(store, ['a'])
    await store.pauses.add({ cause: 'no_credits', since: 1, detail: 'Out of credits' })
    await store.pauses.add({ cause: 'operator', since: 2, detail: 'by hand' })
    expect(await claim(store, 'a')).toEqual({ kind: 'paused', cause: 'no_credits' })
    await store.pauses.lift('no_credits', false, Date.now())
    expect(await claim(store, 'a')).toEqual({ kind: 'paused', cause: 'operator' })
    await store.pauses.lift('operator', false, Date.now())
    expect(await claim(store, 'a')).toMatchObject({ kind: 'granted' })
  })

  test('is refused while rate limited, even if Redis does not know it yet', async () => {
    await released(store, ['a'])
    await temp.change((tx) => extendRateLimit(tx, RULES.now + 2000, RULES.now))
    expect(await claim(store, 'a')).toEqual({ kind: 'rate_limited', until: RULES.now + 2000 })
    expect(await claim(store, 'a', { now: RULES.now + 2000 })).toMatchObject({ kind: 'granted' })
  })
})

describe('who pays', () => {
  test('the oldest released batch that wants it and has budget left', async () => {
    const spent = await released(store, ['x', 'a'], { first: 1 })
    await settle(store, 'x', 'answered')
    const payer = await released(store, ['a'])
    const later = await released(store, ['a'])
    await granted(store, 'a')
    expect(await Promise.all([spent, payer, later].map((id) => charged(store, id)))).toEqual([1, 1, 0])
  })

  test('nobody: the search goes back to waiting under a new round', async () => {
    const id = await released(store, ['a', 'b'], { maxCredits: 1 })
    await settle(store, 'a', 'answered')
    await feedAll(store)
    expect(await claim(store, 'b')).toEqual({ kind: 'not_due' })
    expect(await statuses(store, id)).toEqual(['tagged', 'withheld'])
    await release(store, id)
    await granted(store, 'b', { round: 2 })
  })

  test.each([
    ['answered', 1],
    ['unreadable', 1],
    ['timedOut', 1],
    ['failed', 0],
    ['refused', 0],
    ['rateLimited', 0],
    ['outOfCredits', 0],
    ['unauthorized', 0],
  ] as const)('a call that ended %s stays charged: %s', async (ending, expected) => {
    const id = await released(store, ['a'])
    await settle(store, 'a', ending)
    expect(await charged(store, id)).toBe(expected)
  })
})

describe('the reserve', () => {
  const reserve = { creditReserve: 3 }

  test('is kept: at the reserve all workers pause, with the numbers', async () => {
    await released(store, ['a'])
    await store.account.update({ creditsRemaining: 3 }, 5)
    expect(await claim(store, 'a', reserve)).toEqual({ kind: 'paused', cause: 'reserve' })
    expect(await store.pauses.list()).toEqual([
      { cause: 'reserve', since: RULES.now, detail: expect.stringContaining('3 credits are left and 3 are kept') },
    ])
  })

  test('calls in flight may use up what is above it: ask again in a second', async () => {
    await released(store, ['a', 'b', 'c'])
    await store.account.update({ creditsRemaining: 5 }, 5)
    const [first] = [await granted(store, 'a', reserve), await granted(store, 'b', reserve)]
    expect(await claim(store, 'c', reserve)).toEqual({ kind: 'reserve_near', until: RULES.now + 1000 })
    await close(store, first, 'refused')
    await granted(store, 'c', reserve)
  })

  test('while no balance was ever heard, calls go one at a time; where none is kept, as they come', async () => {
    await released(store, ['a', 'b'])
    await granted(store, 'a', reserve)
    expect(await claim(store, 'b', reserve)).toMatchObject({ kind: 'reserve_near' })
    await store.account.update({ creditsRemaining: 0 }, 5)
    await granted(store, 'b')
  })
})

test('counts tell what is in flight as waiting', async () => {
  const id = await released(store, ['a'], { first: 1 })
  await feedAll(store)
  await granted(store, 'a')
  expect(await counts(store, id)).toEqual({ items: 1, waiting: 1 })
  expect(await statuses(store, id)).toEqual(['waiting'])
})

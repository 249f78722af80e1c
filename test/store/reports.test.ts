import { describe, expect, test } from '@jest/globals'
import { UsageError } from '../../src/domain/errors.js'
import { canonicalRequest } from '../../src/domain/request.js'
import type { BatchReport, RowReport, Store } from '../../src/store/store.js'
import {
  badRow,
  close,
  eachWithStore,
  exported,
  feedAll,
  granted,
  loaded,
  newBatch,
  refOf,
  released,
  row,
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

describe('finding a batch', () => {
  test('by name (the latest of that name), by id, or the latest; an id wins over a name', async () => {
    const first = await released(store, ['a'], {}, { name: 'films' })
    const second = await released(store, ['b'], {}, { name: 'films' })
    await released(store, ['c'], {}, { name: String(first) })
    const year = await released(store, ['d'], {}, { name: '2024' })
    const find = async (what: string | null): Promise<number | undefined> => (await store.batches.find(what))?.id
    expect(await find('films')).toBe(second)
    expect(await find(String(second))).toBe(second)
    expect(await find(String(first))).toBe(first)
    expect(await find('2024')).toBe(year)
    expect(await find(null)).toBe(year)
    expect(await find('nothing')).toBeUndefined()
    expect(await find('99')).toBeUndefined()
  })
})

test('needs: what each released batch may still be charged, in the order in which they run', async () => {
  const low = await released(store, ['a', 'b', 'c'], {}, { priority: 'low' })
  const capped = await released(store, ['d', 'e', 'f'], { maxCredits: 2 })
  await released(store, ['g'])
  const urgent = await released(store, ['h', 'i'], {}, { priority: 'high' })
  await loaded(store, ['not released'])
  await granted(store, 'd', { now: 80_000 })
  await settle(store, 'g', 'answered')
  const { needs, ...rest } = await store.reports.look({ limit: 9 }, 80_001)
  expect(rest.totals).toEqual(await store.reports.totals(80_001))
  expect(rest.batches).toEqual(await store.reports.batches({ limit: 9 }))
  expect(needs).toEqual([
    { batchId: urgent, credits: 2, callsLastMinute: 0 },
    { batchId: capped, credits: 1, callsLastMinute: 1 },
    { batchId: low, credits: 3, callsLastMinute: 0 },
  ])
  expect((await store.reports.batches({ batchId: capped, limit: 1 }))[0]?.creditsNeeded).toBe(1)
})

test('unfinished batches come first, in the order in which they run, then finished ones, the last one first', async () => {
  const long = await released(store, ['a', 'b'])
  const withheld = await released(store, ['b', 'c'], { maxCredits: 0 })
  const early = await released(store, ['d'])
  const late = await released(store, ['e'])
  await settle(store, 'e', 'answered')
  await settle(store, 'd', 'answered')
  const low = await released(store, ['f'], {}, { priority: 'low' })
  const loading = await loaded(store, ['g'])
  const next = await released(store, ['h'])
  const urgent = await released(store, ['i'], {}, { priority: 'high' })
  const ids = async (limit: number, offset = 0) =>
    (await store.reports.batches({ limit, offset })).map(({ batch }) => batch.id)
  // Both finished at the same moment.
  const order = [urgent, long, next, low, loading, withheld, late, early]
  expect(await ids(20)).toEqual(order)
  expect(await ids(3, 2)).toEqual(order.slice(2, 5))
  expect(await store.reports.batchCount()).toBe(8)
  expect((await store.reports.batches({ batchId: late, limit: 9 })).map(({ batch }) => batch.id)).toEqual([late])
  await settle(store, 'a', 'answered')
  await close(store, await granted(store, 'b'), 'answered', { now: 90_000 })
  expect((await ids(20)).slice(-3)).toEqual([long, late, early])
})

test('withheldAsWaiting counts withheld rows only when the cap is used up', async () => {
  const batchId = await released(store, ['a', 'b', 'c', 'c'], { maxCredits: 2 })
  const report = async (withheldAsWaiting: boolean) =>
    (await store.reports.batches({ batchId, limit: 1, withheldAsWaiting }))[0]
  const rowsOf = (found: BatchReport | undefined) => [found?.waiting, found?.withheld]
  await settle(store, 'a', 'answered')
  expect(rowsOf(await report(false))).toEqual([1, 2])
  expect(rowsOf(await report(true))).toEqual([3, 0])
  await settle(store, 'b', 'answered')
  expect(rowsOf(await report(true))).toEqual([0, 2])
  expect(await report(true)).toEqual(await report(false))
})

describe('the totals', () => {
  test('count calls by outcome, those of the last minute, what was spent and what may have been', async () => {
    await released(store, ['a', 'b', 'c', 'd'])
    await settle(store, 'a', 'answered')
    await settle(store, 'b', 'unreadable')
    await settle(store, 'c', 'timedOut')
    await granted(store, 'd', { now: 80_000 })
    expect(await store.reports.totals(80_001)).toMatchObject({
      due: 2,
      deadLetters: 1,
      spent: 2,
      unknownOutcomes: 1,
      callsLastMinute: 1,
      rateLimitStreak: null,
      callsByOutcome: { sent: 1, answered: 1, unreadable: 1, unknown: 1, refused: 0 },
    })
  })

  test('show since when every call was rate limited', async () => {
    await released(store, ['a', 'b', 'c'])
    const end = async (query: string, ending: 'rateLimited' | 'answered', now: number) =>
      close(store, await granted(store, query, { now: now - 1000 }), ending, { now })
    await end('a', 'rateLimited', 11_000)
    await end('b', 'answered', 75_000)
    expect((await store.reports.totals(1)).rateLimitStreak).toBeNull()
    await end('a', 'rateLimited', 80_000)
    await end('c', 'rateLimited', 160_000)
    expect((await store.reports.totals(1)).rateLimitStreak).toEqual({ calls: 2, from: 80_000, to: 160_000 })
  })

  test('tell the latest calls that failed', async () => {
    await released(store, ['a', 'b', 'c'])
    await settle(store, 'a', 'answered')
    expect((await store.reports.totals(1)).failureStreak).toBeNull()
    await settle(store, 'b', 'timedOut')
    await settle(store, 'c', 'timedOut')
    expect((await store.reports.totals(1)).failureStreak).toEqual({ calls: 2, reason: expect.any(String) })
  })

  test('unknown outcomes are listed by name, newest first', async () => {
    await released(store, ['a', 'b'])
    await settle(store, 'a', 'timedOut')
    await settle(store, 'b', 'timedOut')
    const listed = async (limit: number): Promise<string[]> =>
      (await store.reports.unknownOutcomes(limit)).map((each) => each.query)
    expect(await listed(9)).toEqual(['b', 'a'])
    expect(await listed(1)).toEqual(['b'])
  })

  test('unknown outcomes by search: how many calls, and the last; only of the latest calls', async () => {
    let clock = 80_000
    await released(store, ['a', 'b', 'c'])
    for (const query of ['a', 'b', 'a', 'c', 'a'])
      await close(store, await granted(store, query, { now: clock }), 'timedOut', { now: clock++ })
    const grouped = async (calls: number, limit: number) => {
      const { count, searches } = await store.reports.unknownSearches(calls, limit)
      return [count, ...searches.map((each) => `${each.query} ${each.calls} ${each.lastAt}`)]
    }
    expect(await grouped(5, 9)).toEqual([3, 'a 3 80004', 'c 1 80003', 'b 1 80001'])
    expect(await grouped(5, 2)).toEqual([3, 'a 3 80004', 'c 1 80003'])
    expect(await grouped(2, 9)).toEqual([2, 'a 1 80004', 'c 1 80003'])
  })
})

describe('show', () => {
  async function shown(what: string, batchId: number | null = null): Promise<RowReport> {
    const found = await store.reports.show(what, batchId)
    if (found === null || !('row' in found)) throw new Error(`expected an item for "${what}"`)
    return found
  }

  test('tells everything about a row', async () => {
    const id = await released(store, ['a'], {}, { name: 'films' })
    await settle(store, 'a', 'failed')
    const call = await granted(store, 'a')
    await close(store, call, 'answered', { creditsRemaining: 41 })
    expect(await shown('row-1')).toMatchObject({
      batch: { id, name: 'films' },
      position: 1,
      key: 'row-1',
      row: '["row-1","a"]',
      problem: null,
      status: 'tagged',
      search: {
        ref: refOf('a'),
        request: canonicalRequest({ query: 'a' }),
        state: 'answered',
        failures: 1,
        death: null,
        calls: [
          { attempt: 1, outcome: 'transient', sentAt: 10_000, finishedAt: 11_000 },
          { attempt: 2, outcome: 'answered', status: 200, requestId: 'req-1', creditsRemaining: 41 },
        ],
        answer: '{"tracks":[1]}',
        items: [{ batchId: id, batchName: 'films', position: 1, key: 'row-1' }],
      },
    })
  })

  test('an invalid row has its reason and no search', async () => {
    const id = await store.batches.create(newBatch())
    await store.batches.addRows(id, [badRow(1)], 1)
    expect(await shown('1')).toMatchObject({
      status: 'invalid',
      problem: expect.stringContaining('line 1'),
      search: null,
    })
  })

  test('takes an id before a position, the batch that is meant before others, then any other', async () => {
    const first = await store.batches.create(newBatch())
    await store.batches.addRows(first, [row(1, 'a', 'x'), row(2, 'b', 'only here')], 1)
    const second = await store.batches.create(newBatch())
    await store.batches.addRows(second, [row(1, 'c', '2'), row(2, 'd', 'x')], 1)
    expect(await shown('2')).toMatchObject({ batch: { id: second }, position: 1 })
    expect(await shown('1')).toMatchObject({ batch: { id: second }, position: 1 })
    expect(await shown('x')).toMatchObject({ batch: { id: second } })
    expect(await shown('x', first)).toMatchObject({ batch: { id: first } })
    expect(await shown('only here')).toMatchObject({ batch: { id: first }, position: 2 })
    expect(await store.reports.show('only here', second)).toBeNull()
  })

  test('finds a search by its fingerprint, a beginning of it, and its generation', async () => {
    await released(store, ['a'])
    await settle(store, 'a', 'answered')
    await loaded(store, ['a'], { maxAgeMs: 1, createdAt: 50_000 })
    const { fingerprint } = refOf('a')
    expect(await store.reports.show(fingerprint, null)).toMatchObject({ ref: refOf('a', 1, 2), state: 'waiting' })
    expect(await store.reports.show(fingerprint.slice(0, 6), null)).toMatchObject({ ref: refOf('a', 1, 2) })
    expect(await store.reports.show(`${fingerprint}-1`, null)).toMatchObject({ ref: refOf('a'), state: 'answered' })
    expect(await store.reports.show(fingerprint.slice(0, 5), null)).toBeNull()
  })

  test('a beginning that fits several searches is refused', async () => {
    const id = await store.batches.create(newBatch())
    const twins = ['abcdef1', 'abcdef2'].map((start, index) => {
      const request = canonicalRequest({ query: `twin ${index}` })
      return { ...row(index + 1, 'twin'), request: { fingerprint: start.padEnd(32, '0'), request } }
    })
    await store.batches.addRows(id, twins, 1)
    await expect(store.reports.show('abcdef', null)).rejects.toBeInstanceOf(UsageError)
    expect(await store.reports.show('abcdef2', null)).toMatchObject({ request: { query: 'twin 1' } })
  })
})

describe('the export', () => {
  test('is one moment, though others write while it is read', async () => {
    const queries = Array.from({ length: 1200 }, (_, index) => `query ${index}`)
    const id = await released(store, queries)
    const other = await temp.openAgain()
    const seen: string[] = []
    for await (const each of store.reports.exportRows(id)) {
      if (seen.length === 0) {
        await settle(other, 'query 1', 'answered')
        await settle(store, 'query 1100', 'refused')
        await store.batches.cancel(id, 5)
      }
      seen.push(each.status)
    }
    expect(seen).toEqual(queries.map(() => 'waiting'))
    expect((await statuses(store, id)).filter((status) => status !== 'cancelled')).toEqual(['tagged', 'dead'])
  })

  test('may be left early, and the store can be closed after', async () => {
    const id = await released(store, ['a', 'b'])
    for await (const each of store.reports.exportRows(id)) {
      expect(each.position).toBe(1)
      break
    }
    await feedAll(store)
    await store.close()
  })

  test('of no batch is empty', async () => {
    expect(await exported(store, 9)).toEqual([])
  })
})

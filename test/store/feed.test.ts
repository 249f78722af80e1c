import { describe, expect, test } from '@jest/globals'
import type { Store } from '../../src/store/store.js'
import {
  charged,
  claim,
  close,
  counts,
  eachWithStore,
  feedAll,
  granted,
  loaded,
  PLENTY,
  refOf,
  release,
  released,
  settle,
} from './setup.js'

let store: Store
eachWithStore((opened) => {
  store = opened.store
})

async function due(limit = 100, room = PLENTY): Promise<string[]> {
  return (await store.feed.due(limit, room)).map((search) => search.request.query)
}

describe('what is due', () => {
  test('comes by priority, then by age of the batch, then in order; each search once', async () => {
    await released(store, ['n1', 'shared', 'n2'])
    await released(store, ['low'], {}, { priority: 'low' })
    await released(store, ['m1', 'n2'])
    await released(store, ['shared', 'high'], {}, { priority: 'high' })
    expect(await due()).toEqual(['shared', 'high', 'n1', 'n2', 'm1', 'low'])
    expect(await due(3)).toEqual(['shared', 'high', 'n1'])
  })

  test('keeps to the room of each priority, and what is more urgent takes room from what is less', async () => {
    await released(store, ['n1', 'n2', 'n3'])
    await released(store, ['h1', 'h2', 'h3'], {}, { priority: 'high' })
    expect(await due(100, { high: 2, normal: 3, low: 3 })).toEqual(['h1', 'h2', 'n1'])
    expect(await due(100, { high: 5, normal: 0, low: 0 })).toEqual(['h1', 'h2', 'h3'])
  })

  test('includes its batch and row', async () => {
    await released(store, ['a'], {}, { name: 'films' })
    expect(await store.feed.due(1, PLENTY)).toMatchObject([
      { ref: refOf('a'), priority: 'normal', batchName: 'films', itemKey: 'row-1' },
    ])
  })

  test('excludes queued searches, and includes requeued ones in a new round', async () => {
    await released(store, ['a', 'b', 'c'])
    expect(await feedAll(store)).toEqual(['a', 'b', 'c'])
    expect(await due()).toEqual([])
    expect(await store.feed.queued()).toEqual({ high: 0, normal: 3, low: 0 })
    expect(await store.feed.requeue([refOf('b'), refOf('c', 2)])).toBe(1)
    expect((await store.feed.due(10, PLENTY)).map((search) => search.ref)).toEqual([refOf('b', 2)])
    expect(await store.feed.requeueAll()).toBe(2)
    expect(await due()).toEqual(['a', 'b', 'c'])
  })

  test('is not what a cancelled batch wanted, unless another wants it', async () => {
    const id = await released(store, ['a', 'b'])
    await released(store, ['b'])
    await store.batches.cancel(id, 5)
    expect(await due()).toEqual(['b'])
    expect(await counts(store, id)).toEqual({ items: 2, cancelled: 2 })
  })

  test('marking is guarded by the round', async () => {
    await released(store, ['a'])
    const [first] = await store.feed.due(1, PLENTY)
    if (first === undefined) throw new Error('expected a due search')
    expect(await store.feed.markQueued([first], 1)).toBe(1)
    expect(await store.feed.markQueued([first], 1)).toBe(0)
    await store.feed.requeueAll()
    expect(await store.feed.markQueued([first], 1)).toBe(0)
  })
})

test('jobs that would make no call: with an outcome, in another round, or unknown', async () => {
  await released(store, ['a', 'b', 'c', 'd'])
  await feedAll(store)
  await settle(store, 'a', 'answered')
  await settle(store, 'b', 'refused')
  await store.feed.requeue([refOf('c')])
  const settled = [refOf('a'), refOf('b'), refOf('c'), refOf('d', 2), refOf('d', 1, 2), refOf('nobody')]
  expect(await store.feed.settledAmong([refOf('c', 2), ...settled, refOf('d')])).toEqual(settled)
  expect(await store.feed.requeue([refOf('c', 2), ...settled, refOf('d')])).toBe(1)
  expect([await store.feed.settledAmong([]), await store.feed.requeue([])]).toEqual([[], 0])
})

describe('the low-water mark', () => {
  test('rises with what is done and falls with what waits again, whoever asks', async () => {
    const early = await released(store, ['a', 'b', 'c', 'd'])
    await released(store, ['b', 'e'])
    await feedAll(store)
    expect(await due()).toEqual([])
    await settle(store, 'b', 'refused')
    await settle(store, 'a', 'answered')
    expect(await due()).toEqual([])
    expect(await store.deadLetters.retryOne(refOf('b'))).toBe(true)
    expect(await due()).toEqual(['b'])
    await store.batches.cancel(early, 9)
    expect(await due()).toEqual(['b'])
  })

  test('stays low for a batch that cannot pay yet', async () => {
    const id = await released(store, ['a', 'b', 'c'], { first: 1 })
    expect(await feedAll(store)).toEqual(['a'])
    await settle(store, 'a', 'answered')
    expect(await due()).toEqual([])
    await release(store, id, { maxCredits: 3 })
    expect(await due()).toEqual(['b', 'c'])
  })

  test('a search that was claimed for nobody is fed again once somebody pays', async () => {
    const id = await released(store, ['a'])
    await feedAll(store)
    await store.batches.cancel(id, 5)
    expect(await claim(store, 'a')).toEqual({ kind: 'not_due' })
    await released(store, ['a'])
    expect((await store.feed.due(10, PLENTY)).map((search) => search.ref)).toEqual([refOf('a', 2)])
  })
})

describe('what Redis is believed to hold', () => {
  test('is listed in pages, only what was queued before the given moment', async () => {
    await released(store, ['a', 'b', 'c'])
    await feedAll(store, 100)
    await released(store, ['d'])
    await feedAll(store, 200)
    const first = await store.feed.queuedRefs(200, 0, 2)
    expect(first.refs).toEqual([refOf('a'), refOf('b')])
    const second = await store.feed.queuedRefs(200, first.next ?? -1, 2)
    expect(second).toEqual({ refs: [refOf('c')], next: null })
  })

  test('is nothing after everything was requeued', async () => {
    await released(store, ['a'], {}, { priority: 'high' })
    await feedAll(store)
    expect(await store.feed.queued()).toEqual({ high: 1, normal: 0, low: 0 })
    await store.feed.requeueAll()
    expect(await store.feed.queued()).toEqual({ high: 0, normal: 0, low: 0 })
  })
})

describe('a capped batch', () => {
  test('is fed no more than it can pay, calls in flight not counted twice', async () => {
    await released(store, ['a', 'b', 'c', 'd'], { maxCredits: 3 })
    expect(await due(2)).toEqual(['a', 'b'])
    await store.feed.markQueued(await store.feed.due(2, PLENTY), 1)
    const inFlight = await granted(store, 'a')
    expect(await due()).toEqual(['c'])
    await close(store, inFlight, 'answered')
    expect(await due()).toEqual(['c'])
    await feedAll(store)
    expect(await due()).toEqual([])
  })

  test('gets its credit back for a call that cost nothing', async () => {
    await released(store, ['a', 'b'], { maxCredits: 1 })
    expect(await feedAll(store)).toEqual(['a'])
    await settle(store, 'a', 'refused')
    expect(await due()).toEqual(['b'])
  })

  test('pays nothing for what an older batch without a cap wants too', async () => {
    await released(store, ['shared'], {}, { priority: 'low' })
    const capped = await released(store, ['shared', 'own 1', 'own 2'], { maxCredits: 1 })
    expect(await counts(store, capped)).toEqual({ items: 3, waiting: 2, withheld: 1 })
    expect(await feedAll(store)).toEqual(['shared', 'own 1'])
    for (const query of ['shared', 'own 1']) await settle(store, query, 'answered')
    expect(await counts(store, capped)).toEqual({ items: 3, tagged: 2, withheld: 1 })
  })

  test('pays for what a younger batch wants too, however urgent', async () => {
    const capped = await released(store, ['own', 'shared'], { maxCredits: 1 }, { priority: 'low' })
    await released(store, ['shared'])
    expect(await counts(store, capped)).toEqual({ items: 2, waiting: 1, withheld: 1 })
    expect(await feedAll(store)).toEqual(['shared'])
    await settle(store, 'shared', 'answered')
    expect(await charged(store, capped)).toBe(1)
    expect(await counts(store, capped)).toEqual({ items: 2, tagged: 1, withheld: 1 })
  })

  test('is not fed further because another took what it wants first', async () => {
    await released(store, ['a'], { maxCredits: 1 })
    const id = await released(store, ['a', 'b'], { maxCredits: 1 })
    expect(await due()).toEqual(['a'])
    expect(await counts(store, id)).toEqual({ items: 2, waiting: 1, withheld: 1 })
    await settle(store, 'a', 'answered')
    expect(await due()).toEqual(['b'])
  })

  test('a loading batch adds nothing', async () => {
    await loaded(store, ['a'])
    expect(await due()).toEqual([])
  })
})

test('a batch above ten thousand rows is counted and fed like a small one', async () => {
  const queries = Array.from({ length: 10_001 }, (_, index) => `q${index}`)
  const big = await released(store, queries, { maxCredits: 3 })
  const small = await released(store, ['q1', 'q5000', 'mine'], { maxCredits: 2 }, { priority: 'high' })
  const waiting = async () => {
    const [ofBig, ofSmall, totals] = [
      await counts(store, big),
      await counts(store, small),
      await store.reports.totals(0),
    ]
    return [ofBig.waiting, ofBig.withheld, ofSmall.waiting, ofSmall.withheld, totals.due]
  }
  // q1 and q5000 run first and are charged to the older one, which then can pay for q0.
  expect(await waiting()).toEqual([3, 9998, 2, 1, 3])
  expect(await feedAll(store)).toEqual(['q1', 'q5000', 'q0'])
  expect(await waiting()).toEqual([3, 9998, 2, 1, 3])
  for (const query of ['q1', 'q5000']) await settle(store, query, 'answered')
  expect(await waiting()).toEqual([1, 9998, 1, undefined, 2])
  expect(await due()).toEqual(['mine'])
})

describe('what nobody wants any more', () => {
  const unwanted = async () => (await store.feed.unwantedRefs(0, 10)).refs.map((ref) => ref.fingerprint)
  const [a, b, c] = ['a', 'b', 'c'].map((query) => refOf(query).fingerprint)

  test('is scanned for until it is gone, then when another batch cannot pay', async () => {
    const id = await released(store, ['a', 'b'])
    expect(await unwanted()).toEqual([])
    await feedAll(store)
    const call = await granted(store, 'a')
    await store.batches.cancel(id, 5)
    expect([await unwanted(), await unwanted()]).toEqual([[b], [b]])
    await store.feed.requeue([refOf('b')])
    expect([await unwanted(), await unwanted()]).toEqual([[], []])
    await close(store, call, 'timedOut')
    expect(await unwanted()).toEqual([])
    const another = await released(store, ['c'])
    await feedAll(store)
    expect(await unwanted()).toEqual([])
    await store.batches.cancel(another, 6)
    expect(await unwanted()).toEqual([a, c])
  })

  test('is scanned for again after a used-up cap or a release', async () => {
    const id = await released(store, ['a', 'b', 'c'], { maxCredits: 2 })
    await feedAll(store)
    await settle(store, 'a', 'answered')
    expect(await unwanted()).toEqual([])
    await release(store, id, { maxCredits: 1 })
    expect(await unwanted()).toEqual([b])
    await store.feed.requeue([refOf('b')])
    expect([await unwanted(), await unwanted(), await unwanted()]).toEqual([[], [], []])
    await release(store, id, { maxCredits: 3 })
    await feedAll(store)
    expect(await unwanted()).toEqual([])
    await release(store, id, { maxCredits: 1 })
    expect(await unwanted()).toHaveLength(2)
  })
})

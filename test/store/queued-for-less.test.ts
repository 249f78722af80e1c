import { expect, test } from '@jest/globals'
import type { Store } from '../../src/store/store.js'
import { eachWithStore, feedAll, loaded, PLENTY, refOf, release, released } from './setup.js'

/** A search that is queued for a less urgent batch than another one that wants it. */
let store: Store
eachWithStore((opened) => {
  store = opened.store
})

async function due(limit = 100, room = PLENTY): Promise<string[]> {
  return (await store.feed.due(limit, room)).map((search) => `${search.request.query} ${search.priority}`)
}

const HIGH = { priority: 'high' } as const

test('is due again for that one, before what it has waiting, once', async () => {
  await released(store, ['a', 'b', 'c'])
  await feedAll(store)
  await released(store, ['new', 'c', 'a'], {}, HIGH)
  expect(await due()).toEqual(['a high', 'c high', 'new high'])
  await feedAll(store)
  expect(await store.feed.queued()).toEqual({ high: 3, normal: 1, low: 0 })
  expect(await due()).toEqual([])
})

test('stays as it is for one that is as urgent, less urgent, not released or has no budget', async () => {
  await released(store, ['a', 'b'])
  await feedAll(store)
  await released(store, ['a'])
  await released(store, ['a'], {}, { priority: 'low' })
  const loading = await loaded(store, ['a'], HIGH)
  expect(await due()).toEqual([])
  await release(store, loading)
  expect(await due()).toEqual(['a high'])
})

test('is looked for again with every release, and until it was marked', async () => {
  const batch = await released(store, ['waits'], {}, HIGH)
  await released(store, ['a'], {}, { priority: 'low' })
  await store.feed.markQueued([{ ref: refOf('a'), priority: 'low' }], 1)
  expect(await feedAll(store)).toEqual(['waits'])
  const urgent = await released(store, ['a'], { first: 1 }, HIGH)
  expect(await due()).toEqual(['a high'])
  expect(await due()).toEqual(['a high'])
  expect(await feedAll(store)).toEqual(['a'])
  expect(await due()).toEqual([])
  expect(await release(store, urgent)).toBe(true)
  expect(await release(store, batch)).toBe(true)
  expect(await due()).toEqual([])
})

test('keeps to the limit and the room of that priority; without room it is found later', async () => {
  await released(store, ['a', 'b', 'c'])
  await feedAll(store)
  await released(store, ['a', 'b', 'c'], {}, HIGH)
  expect(await due(100, { high: 0, normal: 0, low: 0 })).toEqual([])
  expect(await due(2)).toEqual(['a high', 'b high'])
  expect(await due(100, { high: 1, normal: 1, low: 1 })).toEqual(['a high'])
})

test('goes to the most urgent of several, and never back', async () => {
  await released(store, ['a'], {}, { priority: 'low' })
  await feedAll(store)
  await released(store, ['a'])
  await released(store, ['a'], {}, HIGH)
  expect(await due()).toEqual(['a high'])
  const [raised] = await store.feed.due(1, PLENTY)
  if (raised === undefined) throw new Error('expected a due search')
  expect(await store.feed.markQueued([raised], 1)).toBe(1)
  expect(await store.feed.markQueued([{ ...raised, priority: 'normal' }], 1)).toBe(0)
  expect(await store.feed.queued()).toEqual({ high: 1, normal: 0, low: 0 })
  expect(await due()).toEqual([])
})

test('is fed for the most urgent batch after a requeue', async () => {
  await released(store, ['a', 'b'])
  await feedAll(store)
  await released(store, ['b'], {}, HIGH)
  await feedAll(store)
  await store.feed.requeueAll()
  expect(await due()).toEqual(['b high', 'a normal'])
})

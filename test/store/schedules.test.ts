import { expect, test } from '@jest/globals'
import type { Store } from '../../src/store/store.js'
import { eachWithStore, feedAll, loaded, settle, type TempStore } from './setup.js'

let temp: TempStore
let store: Store
eachWithStore((opened) => {
  temp = opened
  store = opened.store
})

const NO_CAPS = { maxCredits: null, first: null }
const stateOf = async (id: number) => (await store.batches.find(String(id)))?.state ?? 'gone'

test('a scheduled batch is released with its caps when its time has come, once', async () => {
  const id = await loaded(store, ['a', 'b', 'c'])
  const at = { batchId: id, notBefore: 5000, deadline: 9000 }
  expect(await store.schedules.set(at, { maxCredits: 2, first: null })).toBe(true)
  expect(await store.batches.find(String(id))).toMatchObject({ notBefore: 5000, deadline: 9000 })
  expect(await store.schedules.releaseDue(4999)).toEqual([])
  expect([await stateOf(id), await feedAll(store)]).toEqual(['loading', []])
  expect(await store.schedules.releaseDue(5000)).toEqual([id])
  expect(await store.schedules.releaseDue(6000)).toEqual([])
  expect(await store.batches.find(String(id))).toMatchObject({ state: 'released', maxCredits: 2 })
  expect(await feedAll(store)).toHaveLength(2)
})

test('a scheduled batch is not abandoned; one whose drop was interrupted is, and leaves nothing behind', async () => {
  const id = await loaded(store, ['a'])
  await store.schedules.set({ batchId: id, notBefore: 5_000_000, deadline: null }, NO_CAPS)
  expect(await store.batches.dropAbandoned(1_000_000)).toBe(0)
  // A crash after the first step of `drop`.
  await temp.alter(`update batch set dropping = 1 where id = ${id}`)
  expect(await store.batches.dropAbandoned(0)).toBe(1)
  expect(await stateOf(id)).toBe('gone')
  expect(await temp.reader.read((tx) => tx.all('select batch_id from schedule'))).toEqual([])
})

test('a batch that is scheduled while others are dropped is kept, or its submit is told', async () => {
  await loaded(store, ['a'])
  const id = await loaded(store, ['b'])
  const other = await temp.openAgain()
  const dropping = store.batches.dropAbandoned(1_000_000)
  const isScheduled = await other.schedules.set({ batchId: id, notBefore: 5_000_000, deadline: null }, NO_CAPS)
  await dropping
  expect(await stateOf(id)).toBe(isScheduled ? 'loading' : 'gone')
})

test('a scheduled batch takes the place of the one that it continues when its time has come, not before', async () => {
  const earlier = await loaded(store, ['a', 'b'])
  await store.batches.release(earlier, NO_CAPS, 2000)
  const id = await loaded(store, ['b'], { continues: earlier })
  expect(await store.batches.plan(id)).toMatchObject({ creditsNeeded: 1, alreadyQueued: 0 })
  await store.schedules.set({ batchId: id, notBefore: 5000, deadline: null }, NO_CAPS)
  expect(await stateOf(earlier)).toBe('released')
  await store.schedules.releaseDue(5000)
  expect([await stateOf(earlier), await stateOf(id)]).toEqual(['cancelled', 'released'])
  expect(await feedAll(store)).toHaveLength(1)
})

test('a deadline alone neither releases a batch nor keeps it', async () => {
  const id = await loaded(store, ['a'])
  await store.schedules.set({ batchId: id, notBefore: null, deadline: 9000 }, NO_CAPS)
  expect(await store.schedules.releaseDue(10_000)).toEqual([])
  expect(await store.batches.dropAbandoned(1_000_000)).toBe(1)
})

test('nothing is scheduled that was released or dropped meanwhile', async () => {
  const id = await loaded(store, ['a'])
  await store.batches.release(id, NO_CAPS, 2000)
  expect(await store.schedules.set({ batchId: id, notBefore: 5000, deadline: null }, NO_CAPS)).toBe(false)
  expect(await store.schedules.set({ batchId: 99, notBefore: 5000, deadline: null }, NO_CAPS)).toBe(false)
})

test('deadlines ahead are those of unfinished released batches that were not notified', async () => {
  const withDeadline = async (query: string, deadline: number) => {
    const id = await loaded(store, [query])
    await store.schedules.set({ batchId: id, notBefore: null, deadline }, NO_CAPS)
    return id
  }
  const [open, done, late, cancelled] = [
    await withDeadline('a', 9000),
    await withDeadline('b', 9000),
    await withDeadline('c', 9000),
    await withDeadline('d', 9000),
  ]
  await withDeadline('not released', 9000)
  for (const id of [open, done, late, cancelled]) await store.batches.release(id, NO_CAPS, 2000)
  await settle(store, 'b', 'answered')
  await store.batches.cancel(cancelled, 2000)
  await store.batches.takeMilestones({ now: 3000, deadPercent: 5, willBeLate: [late] })
  expect(await store.schedules.deadlinesAhead(8999)).toEqual([{ batchId: open, deadline: 9000 }])
  expect(await store.schedules.deadlinesAhead(9000)).toEqual([])
})

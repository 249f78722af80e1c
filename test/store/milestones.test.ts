import { expect, test } from '@jest/globals'
import type { Store } from '../../src/store/store.js'
import { close, eachWithStore, feedAll, granted, loaded, refOf, release, released, settle } from './setup.js'

let store: Store
eachWithStore((opened) => {
  store = opened.store
})

const NO_CAPS = { maxCredits: null, first: null }

async function look(now: number, willBeLate: readonly number[] = []): Promise<string[]> {
  const taken = await store.batches.takeMilestones({ now, deadPercent: 5, willBeLate })
  return taken.map(({ kind, batch }) => `${batch.id} ${kind}`)
}

async function withDeadline(queries: readonly string[], deadline: number): Promise<number> {
  const id = await loaded(store, queries)
  await store.schedules.set({ batchId: id, notBefore: null, deadline }, NO_CAPS)
  await release(store, id)
  return id
}

test('a batch that ends late between two looks is late once, before it is done', async () => {
  // `settle` ends calls at 11,000.
  const late = await withDeadline(['a', 'b'], 10_999)
  await withDeadline(['c'], 11_000)
  await look(5000)
  for (const query of ['a', 'b', 'c']) await settle(store, query, 'answered')
  expect(await look(20_000)).toEqual([`${late} late`, `${late} done`, `${late + 1} done`])
  expect(await look(30_000)).toEqual([])
})

test('a batch is late once: by the forecast, or when its deadline has passed', async () => {
  const [forecast, passed] = [await withDeadline(['a'], 10_000), await withDeadline(['b'], 10_000)]
  await look(5000)
  expect(await look(6000, [forecast])).toEqual([`${forecast} late`])
  expect(await look(7000, [forecast])).toEqual([])
  expect(await look(10_000)).toEqual([])
  expect(await look(10_001)).toEqual([`${passed} late`])
  expect(await look(10_002, [forecast, passed])).toEqual([])
})

test('a batch that was done in time is not late when a dead letter is retried after the deadline', async () => {
  const id = await withDeadline(['a'], 12_000)
  await settle(store, 'a', 'refused')
  expect(await look(11_500)).toEqual([`${id} released`, `${id} done`])
  await store.deadLetters.retryOne(refOf('a'))
  expect(await look(20_000)).toEqual([])
})

test('a batch that was cancelled is not late', async () => {
  const id = await withDeadline(['a'], 10_000)
  await store.batches.cancel(id, 5000)
  expect(await look(20_000, [id])).toEqual([`${id} released`, `${id} cancelled`])
})

test('many dead rows are found when the batch is done, before it is', async () => {
  const queries = Array.from({ length: 10 }, (_, n) => `bad ${n}`)
  const id = await released(store, queries)
  for (const query of queries) await settle(store, query, 'refused')
  expect(await look(20_000)).toEqual([`${id} released`, `${id} many_dead`, `${id} done`])
  await store.deadLetters.retryOne(refOf('bad 0'))
  await settle(store, 'bad 0', 'refused', 2)
  expect(await look(30_000)).toEqual([`${id} done`])
})

test('a cancelled batch is reported once, after its calls in flight', async () => {
  const id = await released(store, ['a', 'b', 'c'])
  await feedAll(store)
  await look(5000)
  const call = await granted(store, 'a')
  await store.batches.cancel(id, 10_500)
  expect(await look(10_600)).toEqual([])
  await close(store, call, 'answered')
  const rules = { deadPercent: 5, willBeLate: [] }
  const [cancelled] = await store.batches.takeMilestones({ now: 12_000, ...rules })
  expect(cancelled).toMatchObject({ kind: 'cancelled', continuedBy: null })
  expect(cancelled?.batch).toMatchObject({ id, tagged: 1, charged: 1 })
  expect(await look(13_000)).toEqual([])
})

test('an outcome after the cancel does not report it again', async () => {
  const [id, other] = [await released(store, ['a', 'b']), await released(store, ['a'])]
  await store.batches.cancel(id, 5000)
  expect(await look(6000)).toEqual([`${id} released`, `${other} released`, `${id} cancelled`])
  await settle(store, 'a', 'answered')
  expect(await look(20_000)).toEqual([`${other} done`])
})

test('a batch that was reported as done is not reported as cancelled, unless it was retried', async () => {
  const [id, retried] = [await released(store, ['a']), await released(store, ['b'])]
  for (const query of ['a', 'b']) await settle(store, query, 'refused')
  await look(20_000)
  await store.deadLetters.retryOne(refOf('b'))
  for (const each of [id, retried]) expect(await store.batches.cancel(each, 22_000)).toBe(true)
  expect(await look(23_000)).toEqual([`${retried} cancelled`])
})

test('a cancelled batch names the one that continues it', async () => {
  const earlier = await released(store, ['a', 'b'])
  const later = await loaded(store, ['b'], { continues: earlier })
  await release(store, later)
  const taken = await store.batches.takeMilestones({ now: 5000, deadPercent: 5, willBeLate: [] })
  expect(taken.map(({ kind, batch, continuedBy }) => [kind, batch.id, continuedBy])).toEqual([
    ['released', earlier, null],
    ['released', later, null],
    ['cancelled', earlier, later],
  ])
})

import { beforeEach, describe, expect, test } from '@jest/globals'
import type { Store } from '../../src/store/store.js'
import type { Actor } from '../../src/store/timeline.js'
import { close, eachWithStore, granted, loaded, release, released, settle, type TempStore } from './setup.js'

let temp: TempStore
let store: Store
eachWithStore((opened) => {
  temp = opened
  store = opened.store
})

const entries = async () => (await store.timeline.list(50)).map(({ by, what }) => `${by}: ${what}`).toReversed()

async function as(actor: Actor): Promise<Store> {
  return temp.openAgain(actor)
}

describe('the timeline', () => {
  test('says who released, paused, resumed and cancelled', async () => {
    const board = await as('board')
    const script = await as('script')
    const id = await loaded(script, ['a', 'b'])
    await release(script, id, { first: 1 })
    await board.pauses.add({ cause: 'operator', since: 3000, detail: 'new template' })
    expect(await store.pauses.add({ cause: 'operator', since: 4000, detail: 'again' })).toBe(false)
    expect(await store.pauses.lift('operator', false, 5000)).not.toBeNull()
    expect(await store.pauses.lift('operator', false, 6000)).toBeNull()
    await board.batches.cancel(id, 7000)
    expect(await entries()).toEqual([
      'script: Batch 1 (catalog) was released: 2 rows, at most 1 call.',
      'board: Paused (by hand): new template.',
      'command: Resumed (was paused: by hand).',
      'board: Batch 1 (catalog) was cancelled.',
    ])
    expect((await store.timeline.list(50)).map(({ at }) => at)).toEqual([7000, 5000, 3000, 2000])
    await Promise.all([board.close(), script.close()])
  })

  test('has a release only if it changes something', async () => {
    const id = await released(store, ['a', 'b'], { first: 1 })
    await store.batches.release(id, { maxCredits: null, first: 1 }, 2000)
    await store.batches.release(id, { maxCredits: null, first: null }, 3000)
    await store.batches.release(id, { maxCredits: null, first: null }, 4000)
    expect(await entries()).toEqual([
      'command: Batch 1 (catalog) was released: 2 rows, at most 1 call.',
      'command: Batch 1 (catalog) was released: 2 rows.',
    ])
    for (const query of ['a', 'b']) await settle(store, query, 'answered')
    await store.batches.takeMilestones({ now: 20_000, deadPercent: 50, willBeLate: [] })
    await store.batches.release(id, { maxCredits: 5, first: null }, 30_000)
    expect(await entries()).toHaveLength(3)
    expect(await store.batches.takeMilestones({ now: 30_000, deadPercent: 50, willBeLate: [] })).toEqual([])
  })

  test('has a batch that is done once, with what came out', async () => {
    await released(store, ['a', 'b'])
    await settle(store, 'a', 'answered')
    await settle(store, 'b', 'refused')
    for (const now of [20_000, 30_000]) await store.batches.takeMilestones({ now, deadPercent: 50, willBeLate: [] })
    expect(await entries()).toContain('worker: Batch 1 (catalog) is done: 1 of 2 rows tagged, 1 dead.')
    expect(await entries()).toHaveLength(2)
  })

  test('tells a new limit and a top-up, but no correction', async () => {
    await store.account.update({ creditsRemaining: 100, limitPerMinute: 300 }, 1000)
    await store.account.update({ creditsRemaining: 99, limitPerMinute: 300 }, 2000)
    await store.account.update({ creditsRemaining: 24_000, limitPerMinute: 60 }, 3000)
    expect(await entries()).toEqual([
      'worker: The limit went from 300 to 60 calls a minute.',
      'worker: Credits went up from 99 to 24,000.',
    ])
    // A call in flight may have been taken for charged.
    await released(store, ['a'])
    await granted(store, 'a')
    await store.account.update({ creditsRemaining: 24_001 }, 4000)
    expect(await entries()).toHaveLength(3)
  })

  test('an answer after timeouts that cost nothing is no top-up; one after a top-up is', async () => {
    await released(store, ['a', 'b', 'c', 'd'])
    await store.account.update({ creditsRemaining: 100 }, 5)
    for (const query of ['a', 'b']) await settle(store, query, 'timedOut')
    const answer = async (query: string, creditsRemaining: number) =>
      close(store, await granted(store, query, { now: 20_000 }), 'answered', { creditsRemaining, now: 21_000 })
    await answer('c', 99)
    expect(await entries()).toHaveLength(1)
    await answer('d', 500)
    expect((await entries()).slice(1)).toEqual(['worker: Credits went up from 99 to 500.'])
  })

  test('timeouts from before the last balance hide no top-up', async () => {
    const queries = ['a', 'b', 'c', 'd']
    await released(store, [...queries, 'e'])
    await store.account.update({ creditsRemaining: 100 }, 5)
    for (const query of queries) await settle(store, query, 'timedOut')
    await store.account.update({ creditsRemaining: 100 }, 22_000)
    expect(await entries()).toHaveLength(1)
    await store.account.update({ creditsRemaining: 103 }, 23_000)
    const call = await granted(store, 'e', { now: 24_000 })
    await close(store, call, 'answered', { creditsRemaining: 105, now: 25_000 })
    expect((await entries()).slice(1)).toEqual([
      'worker: Credits went up from 100 to 103.',
      'worker: Credits went up from 103 to 105.',
    ])
  })
})

test('a time has what happened then, and later entries of a batch', async () => {
  for (const [id, query, now] of [
    [1, 'a', 5000],
    [2, 'b', 6000],
    [3, 'c', 7000],
  ] as const) {
    await released(store, [query])
    await store.batches.cancel(id, now)
  }
  const whats = async (batchId?: number) =>
    (await store.timeline.list(9, { from: 5000, to: 6000, ...(batchId === undefined ? {} : { batchId }) })).map(
      ({ what }) => what,
    )
  const first = ['Batch 2 (catalog) was cancelled.', 'Batch 1 (catalog) was cancelled.']
  expect(await whats()).toEqual(first)
  expect(await whats(3)).toEqual(['Batch 3 (catalog) was cancelled.', ...first])
})

describe('an outage with failed probes', () => {
  const DOWN = { cause: 'outage', detail: 'HTTP 503' } as const
  let worker: Store
  beforeEach(async () => {
    worker = await as('worker')
    await released(worker, ['a'])
  })

  test('is one outage, with its true beginning, until a call is answered', async () => {
    await worker.pauses.add({ ...DOWN, since: 10_000 })
    for (const now of [20_000, 40_000]) {
      await worker.pauses.lift('outage', true, now)
      expect(await worker.pauses.outageFrom()).toBe(10_000)
      await worker.pauses.add({ ...DOWN, since: now + 1000 })
      expect(await worker.pauses.list()).toMatchObject([{ cause: 'outage', since: 10_000 }])
    }
    await worker.pauses.lift('outage', true, 310_000)
    await settle(worker, 'a', 'answered')
    expect(await worker.pauses.outageFrom()).toBeNull()
    expect((await entries()).slice(1)).toEqual([
      'worker: Paused (API outage): HTTP 503.',
      expect.stringMatching(/^worker: The API answers again, after /),
    ])
    await worker.pauses.add({ ...DOWN, since: 900_000 })
    expect(await worker.pauses.list()).toMatchObject([{ since: 900_000 }])
    await worker.close()
  })

  test('that a person resumes is still the same if it is not over', async () => {
    await worker.pauses.add({ ...DOWN, since: 10_000 })
    await store.pauses.lift('outage', true, 20_000)
    await worker.pauses.add({ ...DOWN, since: 30_000 })
    expect(await store.pauses.list()).toMatchObject([{ since: 10_000 }])
    expect((await entries()).slice(1)).toEqual([
      'worker: Paused (API outage): HTTP 503.',
      'command: Resumed (was paused: API outage).',
    ])
    await worker.close()
  })
})

import { describe, expect, test } from '@jest/globals'
import type { Milestone, Store } from '../../src/store/store.js'
import {
  close,
  counts,
  eachWithStore,
  feedAll,
  granted,
  loaded,
  refOf,
  release,
  released,
  settle,
  statuses,
} from './setup.js'

let store: Store
eachWithStore((opened) => {
  store = opened.store
})

/** The batches with this milestone since the last look. */
async function milestones(kind: Milestone['kind'], now: number): Promise<readonly number[]> {
  const taken = await store.batches.takeMilestones({ now, deadPercent: 100, willBeLate: [] })
  return taken.flatMap((one) => (one.kind === kind ? [one.batch.id] : []))
}

async function expectStatuses(id: number, expected: string[]): Promise<void> {
  expect(await statuses(store, id)).toEqual(expected)
  const tally: Record<string, number> = { items: expected.length }
  for (const status of expected) {
    const name = status === 'no_match' ? 'noMatch' : status
    tally[name] = (tally[name] ?? 0) + 1
  }
  expect(await counts(store, id)).toEqual(tally)
}

describe('what a cap withholds, in the export and in the counts alike', () => {
  test('everything beyond the budget, counted in searches, not rows', async () => {
    const id = await released(store, ['a', 'a', 'b', 'c', 'c'], { first: 2 })
    await expectStatuses(id, ['waiting', 'waiting', 'waiting', 'withheld', 'withheld'])
  })

  test('the smaller of --max-credits and --first counts', async () => {
    const id = await released(store, ['a', 'b', 'c'], { first: 2, maxCredits: 1 })
    await expectStatuses(id, ['waiting', 'withheld', 'withheld'])
  })

  test('as searches are queued, called and answered, the same rows stay withheld', async () => {
    const id = await released(store, ['a', 'b', 'c', 'd'], { maxCredits: 2 })
    const expected = ['waiting', 'waiting', 'withheld', 'withheld']
    await expectStatuses(id, expected)
    await feedAll(store)
    await expectStatuses(id, expected)
    await granted(store, 'a')
    await expectStatuses(id, expected)
    await settle(store, 'b', 'answered')
    await expectStatuses(id, ['waiting', 'tagged', 'withheld', 'withheld'])
  })

  test('a refused search costs nothing: it leaves a cap of credits as it is, but is one of the first n', async () => {
    const capped = await released(store, ['a', 'b', 'c'], { maxCredits: 1 })
    await settle(store, 'a', 'refused')
    await expectStatuses(capped, ['dead', 'waiting', 'withheld'])
    const id = await released(store, ['d', 'e', 'f', 'g'], { first: 2 })
    for (const query of ['d', 'e']) {
      await feedAll(store)
      await settle(store, query, 'refused')
    }
    await expectStatuses(id, ['dead', 'dead', 'withheld', 'withheld'])
    expect(await feedAll(store)).toEqual([])
    // Those are tried again, not two more.
    expect(await store.deadLetters.retry({ batchId: id })).toMatchObject({ retried: 2, due: 2, withheld: 0 })
    for (const query of ['d', 'e']) {
      await feedAll(store)
      await settle(store, query, 'refused', 2)
    }
    await expectStatuses(id, ['dead', 'dead', 'withheld', 'withheld'])
    await release(store, id)
    await expectStatuses(id, ['dead', 'dead', 'waiting', 'waiting'])
  })

  test('an answered search that others paid costs nothing', async () => {
    await released(store, ['b'])
    const id = await released(store, ['a', 'b', 'c'], { first: 1 })
    await expectStatuses(id, ['waiting', 'waiting', 'withheld'])
    await settle(store, 'b', 'answered')
    await expectStatuses(id, ['waiting', 'tagged', 'withheld'])
  })

  test('a search within the reach of another capped batch is due for both', async () => {
    await released(store, ['c'], { first: 1 })
    const id = await released(store, ['a', 'b', 'c'], { first: 1 })
    const [due] = [(await store.reports.totals(1)).due]
    // `c` was asked first, so both reach it; then nothing is left here for `a`.
    await expectStatuses(id, ['withheld', 'withheld', 'waiting'])
    expect(due).toBe(1)
  })

  test('a higher cap releases more, and a cancel ends it', async () => {
    const id = await released(store, ['a', 'b', 'c'], { first: 1 })
    expect(await release(store, id, { maxCredits: 2 })).toBe(true)
    await expectStatuses(id, ['waiting', 'waiting', 'withheld'])
    await release(store, id)
    await expectStatuses(id, ['waiting', 'waiting', 'waiting'])
    await store.batches.cancel(id, 5)
    await expectStatuses(id, ['cancelled', 'cancelled', 'cancelled'])
    expect(await release(store, id)).toBe(false)
    expect(await store.batches.cancel(id, 6)).toBe(false)
  })

  test('a loading batch waits, whatever others can pay', async () => {
    const id = await loaded(store, ['a', 'b'])
    await expectStatuses(id, ['waiting', 'waiting'])
  })

  test('one that waits for nothing more is shown withheld by `show` too', async () => {
    await released(store, ['a', 'b'], { first: 1 })
    const shown = await Promise.all(['row-1', 'row-2'].map((key) => store.reports.show(key, null)))
    expect(shown).toMatchObject([{ status: 'waiting' }, { status: 'withheld' }])
  })
})

describe('what is due in all', () => {
  const due = async (): Promise<number> => (await store.reports.totals(1)).due

  test('a search counts once, however many batches want it', async () => {
    await released(store, ['a', 'b', 'c'])
    await released(store, ['b', 'c', 'd', 'e'])
    await released(store, ['a', 'b', 'c', 'd', 'e', 'f', 'g'], { first: 1 })
    await loaded(store, ['h'])
    expect(await due()).toBe(6)
    await feedAll(store)
    expect(await due()).toBe(6)
    await settle(store, 'b', 'answered')
    expect(await due()).toBe(5)
  })

  test('nothing that nobody can pay', async () => {
    const id = await released(store, ['a', 'b'], { maxCredits: 1 })
    await settle(store, 'a', 'answered')
    expect(await due()).toBe(0)
    await release(store, id)
    expect(await due()).toBe(1)
  })
})

describe('a batch is complete', () => {
  const completed = (now: number) => milestones('done', now)
  const completedAt = async (id: number): Promise<number | null> =>
    (await store.batches.find(String(id)))?.completedAt ?? null

  test('when its last search has its outcome, and is announced once; a retry opens it again', async () => {
    const id = await released(store, ['a', 'b'])
    await settle(store, 'a', 'answered')
    expect(await completedAt(id)).toBeNull()
    expect(await completed(1)).toEqual([])
    await settle(store, 'b', 'refused')
    expect(await completedAt(id)).toBe(11_000)
    expect(await completed(2)).toEqual([id])
    expect(await completed(3)).toEqual([])
    await store.deadLetters.retryOne(refOf('b'))
    expect(await completedAt(id)).toBeNull()
    await settle(store, 'b', 'answered', 2)
    expect(await completed(4)).toEqual([id])
  })

  test('also when another batch paid for the last', async () => {
    await released(store, ['a'])
    const id = await released(store, ['a'], { first: 0 })
    await settle(store, 'a', 'answered')
    expect(await completedAt(id)).toBe(11_000)
  })

  test('when it is cancelled, which is not announced', async () => {
    const id = await released(store, ['a'])
    await store.batches.cancel(id, 5)
    expect(await completedAt(id)).toBe(5)
    expect(await completed(6)).toEqual([])
  })
})

describe('what is due at the most', () => {
  const atMost = () => store.batches.dueAtMost()

  test('is what one batch alone still wants, or what its cap has left', async () => {
    expect(await atMost()).toEqual({ searches: 0, batches: 0 })
    const id = await released(store, ['a', 'b', 'c', 'd'], { maxCredits: 3 })
    await settle(store, 'a', 'answered')
    expect(await atMost()).toEqual({ searches: 2, batches: 1 })
    await release(store, id)
    expect(await atMost()).toEqual({ searches: 3, batches: 1 })
    await store.batches.cancel(id, 9)
    expect(await atMost()).toEqual({ searches: 0, batches: 0 })
  })

  test('counts what several batches want for each of them', async () => {
    await released(store, ['a', 'b'])
    await released(store, ['b', 'c'])
    expect(await atMost()).toEqual({ searches: 4, batches: 2 })
  })
})

describe('a cap is reported as used up', () => {
  const through = () => milestones('budget_used', 20_000)

  test('once per release, when it is used up and no call is in flight', async () => {
    await released(store, ['x'])
    const id = await released(store, ['a', 'b', 'c', 'd', 'e'], { first: 2 })
    await settle(store, 'a', 'answered')
    expect(await through()).toEqual([])
    const call = await granted(store, 'b')
    expect(await through()).toEqual([])
    // The credit comes back, and the search is called again.
    await close(store, call, 'failed')
    expect(await through()).toEqual([])
    await settle(store, 'b', 'answered')
    expect(await through()).toEqual([id])
    expect(await through()).toEqual([])
    await release(store, id, { maxCredits: 2 })
    expect(await through()).toEqual([])
    await release(store, id, { maxCredits: 3 })
    await granted(store, 'c')
    expect(await through()).toEqual([])
    await store.calls.expire(10_001)
    expect(await through()).toEqual([id])
  })

  test('never for a finished or cancelled batch', async () => {
    await released(store, ['a'], { first: 1 })
    await settle(store, 'a', 'answered')
    expect(await through()).toEqual([])
    const id = await released(store, ['b', 'c'], { first: 1 })
    await settle(store, 'b', 'answered')
    await store.batches.cancel(id, 5)
    expect(await through()).toEqual([])
  })
})

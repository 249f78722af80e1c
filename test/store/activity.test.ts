import { describe, expect, test } from '@jest/globals'
import type { Store } from '../../src/store/store.js'
import { badRow, eachWithStore, feedAll, newBatch, release, released, row, settle } from './setup.js'

let store: Store
eachWithStore((opened) => {
  store = opened.store
})

const MINUTE = 60_000
const WEEK = 7 * 24 * 60 * MINUTE
const AT = 1_000_000 * MINUTE
const NOTHING = { limitPerMinute: null, stopped: null }

describe('a sample', () => {
  test('holds what the store counts: rows, calls by outcome, credits, and the limit that was given', async () => {
    const id = await store.batches.create(newBatch())
    await store.batches.addRows(id, [row(1, 'a'), row(2, 'b'), row(3, 'a', 'other'), badRow(4)], 1000)
    await release(store, id)
    await feedAll(store)
    await store.account.update({ creditsRemaining: 700 }, 1000)
    await settle(store, 'a', 'answered')
    await settle(store, 'b', 'refused')
    await store.activity.sample(AT, { limitPerMinute: 59.5, stopped: null }, WEEK)
    const [, sample] = await store.activity.samples({ from: AT, everyMinutes: 1, now: AT })
    expect(sample).toMatchObject({ minute: 1_000_000, limitPerMinute: 59.5, rows: 4, rowsDone: 4, stopped: null })
    expect(sample?.calls).toMatchObject({ answered: 1, refused: 1, rate_limited: 0 })
    expect(sample?.credits).toBeLessThanOrEqual(700)
  })

  test('of the same minute is replaced, but a stop in any part of it stays', async () => {
    await store.activity.sample(AT, { limitPerMinute: 5, stopped: 'outage' }, WEEK)
    await store.activity.sample(AT + 30_000, { limitPerMinute: 6, stopped: null }, WEEK)
    const [, sample] = await store.activity.samples({ from: AT, everyMinutes: 1, now: AT })
    expect(sample).toMatchObject({ limitPerMinute: 6, stopped: 'outage' })
  })

  test('of one batch holds its own rows and credits, as long as it runs and once more', async () => {
    const early = await released(store, ['a', 'b'])
    const later = await released(store, ['c'])
    await feedAll(store)
    await settle(store, 'a', 'answered')
    await store.activity.sample(AT, NOTHING, WEEK)
    await settle(store, 'c', 'answered')
    // Ended at 1000: long before the next sample.
    await store.activity.sample(AT + MINUTE, NOTHING, WEEK)
    const of = async (id: number) =>
      (await store.activity.samples({ from: AT, everyMinutes: 1, now: AT + MINUTE, batchId: id })).map(
        ({ batch }) => batch,
      )
    expect((await of(early)).slice(1)).toEqual([
      { rowsDone: 1, charged: 1 },
      { rowsDone: 1, charged: 1 },
    ])
    expect((await of(later)).slice(1)).toEqual([{ rowsDone: 0, charged: 0 }, null])
    expect((await store.activity.samples({ from: AT, everyMinutes: 1, now: AT }))[0]?.batch).toBeNull()
  })

  test('the first one begins at the minute before, so that its calls are in the charts', async () => {
    await released(store, ['a', 'b'])
    await feedAll(store)
    await store.activity.sample(AT, NOTHING, WEEK)
    await settle(store, 'a', 'answered')
    await store.activity.sample(AT + 15_000, NOTHING, WEEK)
    const answered = async (now: number) =>
      (await store.activity.samples({ from: AT, everyMinutes: 1, now })).map(({ minute, calls }) => [
        minute - 1_000_000,
        calls.answered,
      ])
    expect(await answered(AT + 15_000)).toEqual([
      [-1, 0],
      [0, 1],
    ])
    // What was counted since the last sample is read, too.
    await settle(store, 'b', 'answered')
    expect(await answered(AT + 20_000)).toEqual([
      [-1, 0],
      [0, 2],
    ])
    expect(await answered(AT + 5 * MINUTE)).toEqual([
      [-1, 0],
      [0, 1],
      [5, 2],
    ])
  })

  test('older than the age is dropped', async () => {
    await store.activity.sample(AT, NOTHING, 10 * MINUTE)
    await store.activity.sample(AT + 11 * MINUTE, NOTHING, 10 * MINUTE)
    expect(
      (await store.activity.samples({ from: 0, everyMinutes: 1, now: AT + 11 * MINUTE })).map(
        ({ minute }) => minute - 1_000_000,
      ),
    ).toEqual([11])
  })

  test('one for each span is read, the last of it, with the one before the window', async () => {
    await released(store, ['a'])
    for (const minute of [0, 4, 5, 7, 9, 10, 14])
      await store.activity.sample(
        AT + minute * MINUTE,
        { limitPerMinute: minute, stopped: minute === 7 ? 'operator' : null },
        WEEK,
      )
    const samples = await store.activity.samples({ from: AT + 5 * MINUTE, everyMinutes: 5, now: AT + 14 * MINUTE })
    expect(samples.map(({ limitPerMinute, stopped }) => [limitPerMinute, stopped])).toEqual([
      [4, null],
      [9, 'operator'],
      [14, null],
    ])
  })
})

test('the timeline is listed newest first, and pruned by age', async () => {
  await store.timeline.add({ at: 1000, kind: 'paused', by: 'board', what: 'Paused by hand (a "reason").' })
  await store.timeline.add({ at: 2000, kind: 'resumed', by: 'command', what: 'Resumed.' })
  expect((await store.timeline.list(1)).map(({ at, by }) => [at, by])).toEqual([[2000, 'command']])
  await store.timeline.prune(1500)
  expect((await store.timeline.list(10)).map(({ what }) => what)).toEqual(['Resumed.'])
})

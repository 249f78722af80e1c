import { describe, expect, test } from '@jest/globals'
import type { Activity, StopCause } from '../../src/store/activity.js'
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

const read = (which: { from: number; everyMinutes: number; now: number; to?: number; batchId?: number }) =>
  store.activity.read({ to: which.now + MINUTE, ...which })
/** Minutes from `AT` on. */
const minutesOf = ({ samples }: Activity) => samples.map(({ minute }) => minute - AT / MINUTE)

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
    const { samples, stops } = await read({ from: AT, everyMinutes: 1, now: AT })
    const sample = samples.at(-1)
    expect(sample).toMatchObject({ minute: 1_000_000, limitPerMinute: 59.5, rows: 4, rowsDone: 4 })
    expect(stops).toEqual([])
    expect(sample?.calls).toMatchObject({ answered: 1, refused: 1, rate_limited: 0 })
    expect(sample?.credits).toBeLessThanOrEqual(700)
  })

  test('of the same minute is replaced, but a stop in any part of it stays', async () => {
    await store.activity.sample(AT, { limitPerMinute: 5, stopped: 'outage' }, WEEK)
    await store.activity.sample(AT + 30_000, { limitPerMinute: 6, stopped: null }, WEEK)
    const { samples, stops } = await read({ from: AT, everyMinutes: 1, now: AT })
    expect(samples.at(-1)).toMatchObject({ limitPerMinute: 6 })
    expect(stops).toEqual([{ cause: 'outage', minute: 1_000_000, minutes: 1 }])
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
      (await read({ from: AT, everyMinutes: 1, now: AT + MINUTE, batchId: id })).samples.map(({ batch }) => batch)
    expect((await of(early)).slice(1)).toEqual([
      { rowsDone: 1, charged: 1 },
      { rowsDone: 1, charged: 1 },
    ])
    expect((await of(later)).slice(1)).toEqual([{ rowsDone: 0, charged: 0 }, null])
    expect((await read({ from: AT, everyMinutes: 1, now: AT })).samples[0]?.batch).toBeNull()
  })

  test('the first one begins at the minute before, so that its calls are in the charts', async () => {
    await released(store, ['a', 'b'])
    await feedAll(store)
    await store.activity.sample(AT, NOTHING, WEEK)
    await settle(store, 'a', 'answered')
    await store.activity.sample(AT + 15_000, NOTHING, WEEK)
    const answered = async (now: number) =>
      (await read({ from: AT, everyMinutes: 1, now })).samples.map(({ minute, calls }) => [
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

  test('after a time without a worker begins at the minute before, too, and is read in any width', async () => {
    await released(store, ['a'])
    await feedAll(store)
    for (const minute of [0, 1]) await store.activity.sample(AT + minute * MINUTE, NOTHING, WEEK)
    await store.activity.sample(AT + 122 * MINUTE, NOTHING, WEEK)
    await settle(store, 'a', 'answered')
    for (const minute of [122, 123]) await store.activity.sample(AT + minute * MINUTE, NOTHING, WEEK)
    const activity = await read({ from: AT, everyMinutes: 60, now: AT + 124 * MINUTE })
    expect(minutesOf(activity)).toEqual([-1, 0, 1, 121, 123, 124])
    expect(activity.samples.map(({ calls }) => calls.answered)).toEqual([0, 0, 0, 0, 1, 1])
  })

  test('older than the age is dropped', async () => {
    await store.activity.sample(AT, NOTHING, 10 * MINUTE)
    await store.activity.sample(AT + 20 * MINUTE, NOTHING, 10 * MINUTE)
    expect(minutesOf(await read({ from: 0, everyMinutes: 1, now: AT + 20 * MINUTE }))).toEqual([19, 20])
  })

  test('one for each span is read, the last of it, with the one before the window and none behind it', async () => {
    await released(store, ['a'])
    for (let minute = 0; minute < 20; minute++)
      await store.activity.sample(AT + minute * MINUTE, { limitPerMinute: minute, stopped: null }, WEEK)
    const within = { from: AT + 5 * MINUTE, to: AT + 17 * MINUTE, everyMinutes: 5, now: AT + 20 * MINUTE }
    expect(minutesOf(await read(within))).toEqual([4, 5, 9, 14, 16])
    expect(minutesOf(await read({ ...within, to: AT + 21 * MINUTE }))).toEqual([4, 5, 9, 14, 19, 20])
  })

  test('the minutes in which each cause stopped calls are counted apart', async () => {
    const causes: readonly StopCause[] = ['no_credits', 'operator', 'no_credits', 'no_credits', 'outage', 'outage']
    for (const [minute, stopped] of causes.entries())
      await store.activity.sample(AT + minute * MINUTE, { limitPerMinute: null, stopped }, WEEK)
    const stopsOf = async (everyMinutes: number) =>
      (await read({ from: AT, everyMinutes, now: AT + 6 * MINUTE })).stops.map(({ cause, minute, minutes }) => [
        cause,
        minute - 1_000_000,
        minutes,
      ])
    expect(await stopsOf(5)).toEqual([
      ['no_credits', 0, 3],
      ['operator', 1, 1],
      ['outage', 4, 1],
      ['outage', 5, 1],
    ])
    expect((await stopsOf(1)).map(([cause]) => cause)).toEqual(causes)
  })
})

test('the timeline is listed newest first, and pruned by age', async () => {
  await store.timeline.add({ at: 1000, kind: 'paused', by: 'board', what: 'Paused by hand (a "reason").' })
  await store.timeline.add({ at: 2000, kind: 'resumed', by: 'command', what: 'Resumed.' })
  expect((await store.timeline.list(1)).map(({ at, by }) => [at, by])).toEqual([[2000, 'command']])
  await store.timeline.prune(1500)
  expect((await store.timeline.list(10)).map(({ what }) => what)).toEqual(['Resumed.'])
})

import { describe, expect, test } from '@jest/globals'
import type { Store } from '../../src/store/store.js'
import { badRow, eachWithStore, feedAll, loaded, newBatch, release, released, row, settle, statuses } from './setup.js'

let store: Store
eachWithStore((opened) => {
  store = opened.store
})

async function batchOf(rows: readonly ReturnType<typeof row>[]): Promise<number> {
  const id = await store.batches.create(newBatch())
  await store.batches.addRows(id, rows, 1000)
  return id
}

describe('rows of a batch that continues another', () => {
  test('are the same by id, and changed if they ask for something else', async () => {
    const earlier = await batchOf([row(1, 'a', 'A'), row(2, 'b', 'B'), row(3, 'c', 'C'), row(4, 'd', null)])
    const later = await batchOf([
      row(1, 'c', 'C'),
      row(2, 'x', 'A'),
      row(3, 'n', 'N'),
      row(4, 'm', 'M'),
      row(5, 'c', 'C'),
    ])
    // N, M, and the second C: its id is taken.
    expect(await store.batches.compare(earlier, later)).toEqual({
      new: 3,
      changed: 1,
      gone: 2,
      unchanged: 1,
      byId: true,
    })
  })

  test('and those that repeat an id or have none are the same by their search', async () => {
    const rows = [row(1, 'a', 'A'), row(2, 'b', 'A'), row(3, 'c', null), { ...badRow(4), key: null }, row(5, 'd', 'D')]
    const earlier = await batchOf(rows)
    const compared = async (later: typeof rows) => store.batches.compare(earlier, await batchOf(later))
    expect(await compared(rows)).toEqual({ new: 0, changed: 0, gone: 0, unchanged: 5, byId: true })
    const [first, , , ...others] = rows
    expect(await compared([row(1, 'x', 'A'), row(2, 'b', 'A'), row(3, 'y', null), ...others])).toMatchObject({
      new: 1,
      changed: 1,
      gone: 1,
      unchanged: 3,
    })
    if (first !== undefined) expect(await compared([first])).toMatchObject({ new: 0, gone: 4, unchanged: 1 })
  })

  test('an invalid row that is mended has changed', async () => {
    const earlier = await batchOf([badRow(1), badRow(2)])
    const later = await batchOf([row(1, 'a'), badRow(2)])
    expect(await store.batches.compare(earlier, later)).toMatchObject({ new: 0, changed: 1, gone: 0, unchanged: 1 })
  })

  test('are the same by their search if one batch has no ids', async () => {
    const earlier = await batchOf([
      row(1, 'a', null),
      row(2, 'a', null),
      row(3, 'b', null),
      { ...badRow(4), key: null },
    ])
    const later = await batchOf([row(1, 'c'), row(2, 'a'), { ...badRow(3), key: null }, { ...badRow(4), key: null }])
    expect(await store.batches.compare(earlier, later)).toEqual({
      new: 2,
      changed: 0,
      gone: 2,
      unchanged: 2,
      byId: false,
    })
    expect(await store.batches.compare(earlier, earlier)).toMatchObject({ new: 0, gone: 0, unchanged: 4 })
  })
})

describe('a batch that takes the place of another', () => {
  test('cancels it with its release, pays for what both want, and not for what is gone', async () => {
    const earlier = await released(store, ['a', 'b', 'gone'])
    await feedAll(store)
    await settle(store, 'a', 'answered')
    const beside = await loaded(store, ['b', 'a', 'new'])
    expect(await store.batches.plan(beside)).toMatchObject({ alreadyQueued: 1, creditsNeeded: 1 })
    const later = await loaded(store, ['b', 'a', 'new'], { continues: earlier })
    expect(await store.batches.plan(later)).toMatchObject({ alreadyQueued: 0, creditsNeeded: 2 })
    await release(store, later)
    expect(await statuses(store, earlier)).toEqual(['tagged', 'cancelled', 'cancelled'])
    expect(await statuses(store, later)).toEqual(['waiting', 'tagged', 'waiting'])
    expect(await feedAll(store)).toEqual(['new'])
    expect((await store.reports.totals(3000)).due).toBe(2)
  })

  test('has its name, until a person cancels it', async () => {
    const holders = () => store.batches.idsOf('catalog')
    const found = async () => (await store.batches.find('catalog'))?.id
    const first = await released(store, ['a'])
    await feedAll(store)
    await settle(store, 'a', 'answered')
    const second = await loaded(store, ['a', 'b'], { continues: first })
    expect(await holders()).toEqual([first])
    await release(store, second)
    expect([await holders(), await found()]).toEqual([[second], second])
    const third = await loaded(store, ['a', 'c'], { continues: second })
    await release(store, third)
    expect([await holders(), await found()]).toEqual([[third], third])
    await store.batches.cancel(third, 4000)
    expect(await found()).toBe(first)
    const fourth = await released(store, ['d'])
    expect(await holders()).toEqual([fourth])
  })

  test('gives the name of one that is done back when it is cancelled', async () => {
    const first = await released(store, ['a'])
    await feedAll(store)
    await settle(store, 'a', 'answered')
    const second = await loaded(store, ['a', 'b'], { continues: first })
    await release(store, second)
    await store.batches.cancel(second, 4000)
    expect([await store.batches.idsOf('catalog'), (await store.batches.find('catalog'))?.id]).toEqual([[first], first])
    const third = await released(store, ['c'])
    expect(await store.batches.idsOf('catalog')).toEqual([third, first])
    await store.batches.cancel(third, 5000)
    expect((await store.batches.find('catalog'))?.id).toBe(first)
  })

  test('leaves it as it is when it is done, or when the release fails', async () => {
    const earlier = await released(store, ['a'])
    await feedAll(store)
    await settle(store, 'a', 'refused')
    await release(store, await loaded(store, ['a'], { continues: earlier }))
    expect(await store.batches.find(String(earlier))).toMatchObject({ state: 'released' })
    const waiting = await released(store, ['b'])
    const dropped = await loaded(store, ['b'], { continues: waiting })
    await store.batches.drop(dropped)
    expect(await release(store, dropped)).toBe(false)
    expect(await statuses(store, waiting)).toEqual(['waiting'])
    expect(await release(store, waiting)).toBe(true)
  })
})

import { describe, expect, test } from '@jest/globals'
import { RefusedError } from '../../src/domain/errors.js'
import { batchStore } from '../../src/store/batches.js'
import type { Connection, Queries } from '../../src/store/engine.js'
import { getNumber } from '../../src/store/sql.js'
import type { Store } from '../../src/store/store.js'
import {
  badRow,
  charged,
  claim,
  close,
  counts,
  eachWithStore,
  exported,
  feedAll,
  granted,
  loaded,
  newBatch,
  refOf,
  release,
  released,
  row,
  settle,
  statuses,
  type TempStore,
} from './setup.js'

let store: Store
let opened: TempStore
eachWithStore((each) => {
  opened = each
  store = each.store
})

describe('loading a catalog', () => {
  test('rows that ask the same share one search, and every row is kept in its place', async () => {
    const id = await released(store, ['calm', 'loud', 'calm'])
    expect(await feedAll(store)).toEqual(['calm', 'loud'])
    expect((await exported(store, id)).map((each) => [each.position, each.key, each.row])).toEqual([
      [1, 'row-1', '["row-1","calm"]'],
      [2, 'row-2', '["row-2","loud"]'],
      [3, 'row-3', '["row-3","calm"]'],
    ])
  })

  test('a row that is no request, and one that repeats an id, become invalid items with the reason', async () => {
    const id = await store.batches.create(newBatch())
    await store.batches.addRows(id, [row(1, 'a', 'x'), badRow(2)], 1000)
    await store.batches.addRows(id, [row(3, 'b', 'x'), row(4, 'c', null), row(5, 'd', null)], 1000)
    expect((await exported(store, id)).map((each) => [each.status, each.error])).toEqual([
      ['waiting', null],
      ['invalid', 'line 2: expected a title, found nothing'],
      ['invalid', 'line 3: repeated id "x": line 1 has it already'],
      ['waiting', null],
      ['waiting', null],
    ])
    expect(await counts(store, id)).toEqual({ items: 5, waiting: 3, invalid: 2 })
  })

  test('a repeated id names the line that has it; a row that is itself invalid has none, in one chunk and across chunks', async () => {
    const id = await store.batches.create(newBatch())
    const rows = [badRow(1), row(2, 'a', 'row-1'), row(3, 'b', 'x'), row(4, 'b', 'x'), badRow(5), row(6, 'b', 'x')]
    await store.batches.addRows(id, rows, 1000)
    await store.batches.addRows(id, [row(7, 'c', 'row-5'), row(8, 'c', 'row-1'), row(9, 'c', 'x')], 1000)
    expect((await exported(store, id)).map((each) => each.error)).toEqual([
      'line 1: expected a title, found nothing',
      null,
      null,
      'line 4: repeated id "x": line 3 has it already',
      'line 5: expected a title, found nothing',
      'line 6: repeated id "x": line 3 has it already',
      null,
      'line 8: repeated id "row-1": line 2 has it already',
      'line 9: repeated id "x": line 3 has it already',
    ])
    expect(await store.batches.plan(id)).toMatchObject({ rows: 9, invalid: 6, searches: 3, creditsNeeded: 3 })
  })

  test('a big chunk, with questions of its own, shared, known to this batch and known to others', async () => {
    const queries = Array.from({ length: 333 }, (_, index) => `query ${index % 222}`)
    const other = await released(store, queries.slice(0, 70))
    const id = await store.batches.create(newBatch())
    await store.batches.addRows(
      id,
      queries.slice(0, 111).map((query, index) => row(index + 1, query)),
      1000,
    )
    await store.batches.addRows(
      id,
      queries.slice(60).map((query, index) => row(index + 112, query)),
      1000,
    )
    expect(await store.batches.plan(id)).toMatchObject({
      rows: 384,
      searches: 222,
      alreadyQueued: 70,
      creditsNeeded: 152,
    })
    await release(store, id)
    expect(await feedAll(store)).toEqual(queries.slice(0, 222))
    expect(await counts(store, id)).toEqual({ items: 384, waiting: 384 })
    expect(await counts(store, other)).toEqual({ items: 70, waiting: 70 })
    expect((await exported(store, id)).map((each) => each.position)).toEqual(
      Array.from({ length: 384 }, (_, index) => index + 1),
    )
  })

  test('an answer counts for all rows that share its search, whichever chunk they came with', async () => {
    const id = await store.batches.create(newBatch())
    const chunks = [
      ['a', 'b', 'a'],
      ['b', 'a', 'c'],
      ['a', 'a'],
    ]
    let position = 0
    for (const queries of chunks)
      await store.batches.addRows(
        id,
        queries.map((query) => {
          position += 1
          return row(position, query)
        }),
        1000,
      )
    await release(store, id)
    await settle(store, 'a', 'answered')
    await settle(store, 'b', 'refused')
    expect(await counts(store, id)).toEqual({ items: 8, tagged: 5, dead: 2, waiting: 1 })
  })

  test('nothing of a loading batch is due or can be claimed', async () => {
    await loaded(store, ['calm'])
    expect(await feedAll(store)).toEqual([])
    expect(await claim(store, 'calm')).toEqual({ kind: 'not_due' })
  })

  test('a search with an outcome is counted at once', async () => {
    await released(store, ['a', 'b', 'c'])
    await settle(store, 'a', 'answered')
    await settle(store, 'b', 'noMatch')
    await settle(store, 'c', 'refused')
    const id = await released(store, ['a', 'a', 'b', 'c'])
    expect(await counts(store, id)).toEqual({ items: 4, tagged: 2, noMatch: 1, dead: 1 })
    expect(await statuses(store, id)).toEqual(['tagged', 'tagged', 'no_match', 'dead'])
    expect((await store.batches.find(String(id)))?.completedAt).toBe(2000)
    expect(await charged(store, id)).toBe(0)
  })

  test('a batch that was released takes no more rows', async () => {
    const id = await released(store, ['a'])
    await expect(store.batches.addRows(id, [row(2, 'b')], 1000)).rejects.toBeInstanceOf(RefusedError)
  })
})

describe('answers that are too old', () => {
  test('start a new generation, once for all rows; the old batch keeps its own', async () => {
    const old = await released(store, ['a'])
    await settle(store, 'a', 'answered') // at 11,000
    const id = await released(store, ['a', 'a'], {}, { maxAgeMs: 5000, createdAt: 16_001 })
    expect((await store.feed.due(10, { high: 9, normal: 9, low: 9 })).map((due) => due.ref)).toEqual([refOf('a', 1, 2)])
    expect(await counts(store, id)).toEqual({ items: 2, waiting: 2 })
    expect(await counts(store, old)).toEqual({ items: 1, tagged: 1 })
  })

  test('are reused while they are young enough', async () => {
    await released(store, ['a'])
    await settle(store, 'a', 'answered')
    const id = await loaded(store, ['a'], { maxAgeMs: 5000, createdAt: 16_000 })
    expect(await counts(store, id)).toEqual({ items: 1, tagged: 1 })
  })

  test('are preferred to a later generation that was cancelled or refused', async () => {
    await released(store, ['a', 'b'])
    await settle(store, 'a', 'answered')
    await settle(store, 'b', 'answered')
    const again = await released(store, ['a', 'b'], {}, { maxAgeMs: 5000, createdAt: 16_001 })
    await close(store, await granted(store, 'b', { generation: 2 }), 'refused')
    await store.batches.cancel(again, 17_000)
    expect(await counts(store, again)).toEqual({ items: 2, dead: 1, cancelled: 1 })
    const id = await loaded(store, ['a', 'b'])
    expect(await store.batches.plan(id)).toMatchObject({ alreadyAnswered: 2, creditsNeeded: 0 })
    // Young enough for one batch, too old for another: each gets its own.
    const patient = await loaded(store, ['a'], { maxAgeMs: 50_000, createdAt: 20_000 })
    expect(await store.batches.plan(patient)).toMatchObject({ alreadyAnswered: 1 })
    const hasty = await loaded(store, ['a', 'a'], { maxAgeMs: 5000, createdAt: 20_000 })
    expect(await store.batches.plan(hasty)).toMatchObject({ searches: 1, creditsNeeded: 1 })
  })
})

describe('the plan', () => {
  test('tells new, queued, answered and dead searches apart, and they add up', async () => {
    await released(store, ['answered', 'dead', 'due', 'queued'])
    await settle(store, 'answered', 'answered')
    await settle(store, 'dead', 'refused')
    await loaded(store, ['loading'])
    const id = await store.batches.create(newBatch())
    const queries = ['answered', 'dead', 'due', 'queued', 'loading', 'new', 'new']
    await store.batches.addRows(id, [...queries.map((query, index) => row(index + 1, query)), badRow(8)], 1000)
    const plan = await store.batches.plan(id)
    expect(plan).toMatchObject({
      rows: 8,
      accepted: 7,
      invalid: 1,
      invalidReasons: ['line 8: expected a title, found nothing'],
      searches: 6,
      alreadyQueued: 2,
      alreadyAnswered: 1,
      alreadyDead: 1,
      creditsNeeded: 2,
      dueElsewhere: 2,
    })
    expect(plan.examples.map((request) => request.query)).toEqual(queries.slice(0, 5))
  })

  test('a search that the other batch cannot pay is new here', async () => {
    await released(store, ['a', 'b', 'c'], { first: 1 })
    const id = await loaded(store, ['a', 'b', 'c'])
    expect(await store.batches.plan(id)).toMatchObject({
      alreadyQueued: 1,
      creditsNeeded: 2,
      dueElsewhere: 1,
    })
  })

  test('submitting the same file again costs nothing', async () => {
    await released(store, ['a', 'b'])
    await settle(store, 'a', 'answered')
    const id = await loaded(store, ['a', 'b'])
    expect(await store.batches.plan(id)).toMatchObject({ searches: 2, creditsNeeded: 0 })
  })
})

describe('dropping a loading batch', () => {
  test('removes its items and the searches only it wanted', async () => {
    await released(store, ['shared'])
    const id = await loaded(store, ['shared', 'own'])
    await store.batches.drop(id)
    expect(await store.batches.find(String(id))).toBeNull()
    expect(await exported(store, id)).toEqual([])
    expect(await store.reports.show(refOf('own').fingerprint, null)).toBeNull()
    expect(await store.reports.show(refOf('shared').fingerprint, null)).not.toBeNull()
  })

  test('removes a large one in pieces, also where its searches are those of earlier batches', async () => {
    const few = ['first', 'second']
    await released(store, few)
    const many = Array.from({ length: 12_000 }, (_, index) => `many ${index}`)
    const between = await loaded(store, many)
    await released(store, ['last'])
    const id = await loaded(store, [...few, ...many, 'last'])
    const rowsOf = (tx: Queries, table: string) => getNumber(tx, `select count(*) as n from ${table}`)
    const { reader } = opened
    const removed: number[] = []
    const counting: Connection = {
      ...reader,
      write: (work) =>
        opened.change(async (tx) => {
          const before = (await rowsOf(tx, 'item')) + (await rowsOf(tx, 'want'))
          const result = await work(tx)
          removed.push(before - (await rowsOf(tx, 'item')) - (await rowsOf(tx, 'want')))
          return result
        }),
    }
    await batchStore({ connection: counting, loader: counting, rowsPerChunk: 1000 }, 'command').drop(id)
    expect(removed.filter((rows) => rows > 0)).toEqual([10_000, 2003, 10_000, 2003])
    expect(await counts(store, between)).toEqual({ items: many.length, waiting: many.length })
    await store.batches.drop(between)
    expect(await reader.read((tx) => rowsOf(tx, 'search'))).toBe(3)
    expect(await reader.read((tx) => rowsOf(tx, 'want'))).toBe(3)
  })

  test('leaves a released batch alone', async () => {
    const id = await released(store, ['a'])
    await store.batches.drop(id)
    expect(await statuses(store, id)).toEqual(['waiting'])
  })

  test('happens to those alone whose loader is silent', async () => {
    const silent = await loaded(store, ['a'])
    const alive = await loaded(store, ['b'])
    await store.batches.heartbeat(alive, 9000)
    expect(await store.batches.dropAbandoned(9000)).toBe(1)
    expect(await store.batches.find(String(silent))).toBeNull()
    expect(await release(store, alive)).toBe(true)
  })
})

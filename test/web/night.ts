import type { Store } from '../../src/store/store.js'
import { badRow, feedAll, granted, newBatch, release, row, settle } from '../store/setup.js'

/** A batch after a night: answers, dead letters of three causes, invalid rows. Hostile texts where people write. */
export const HOSTILE = '<script>alert(1)</script>'

export async function aNight(store: Store): Promise<number> {
  const id = await store.batches.create(
    newBatch({ name: `spring ${HOSTILE}`, columns: ['id', 'title <b>'], createdAt: Date.now() - 3_600_000 }),
  )
  const queries = ['calm piano', 'loud drums', `"quoted" & ${HOSTILE}`, 'dark synth', 'slow strings', 'last one']
  await store.batches.addRows(
    id,
    [
      ...queries.map((query, index) => row(index + 1, query)),
      row(7, 'loud drums', 'row-7'),
      badRow(8, 'line 8: repeated id "row-1"'),
      badRow(9, 'line 9: repeated id "row-2"'),
      badRow(10, 'line 10: expected a query, found an empty one'),
    ],
    1000,
  )
  await release(store, id)
  await feedAll(store)
  await settle(store, 'calm piano', 'answered')
  await settle(store, 'dark synth', 'noMatch')
  await settle(store, 'loud drums', 'refused')
  await settle(store, queries[2] ?? '', 'refused')
  await settle(store, 'slow strings', 'unreadable')
  await granted(store, 'last one')
  return id
}

import type { RawRow } from './catalog.js'

export type RowBatches = AsyncGenerator<RawRow[], void, undefined>

/** At least so many rows, unless the file ends before. */
export async function firstRows(batches: RowBatches, atLeast: number): Promise<RawRow[]> {
  const rows: RawRow[] = []
  while (rows.length < atLeast) {
    const next = await batches.next()
    if (next.done) break
    for (const row of next.value) rows.push(row)
  }
  return rows
}

export async function* startingWith<T>(first: T, rest: AsyncIterable<T>): AsyncGenerator<T, void, undefined> {
  yield first
  yield* rest
}

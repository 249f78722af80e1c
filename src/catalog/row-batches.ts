import type { OpenedText, RawRow } from './catalog.js'

/** At least so many rows, unless the file ends before. */
export async function firstRows(batches: OpenedText['batches'], atLeast: number): Promise<RawRow[]> {
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

/**
 * Rows with the bad lines that stood in them: bytes there could not be decoded, so the row is kept and never searched.
 * Where a row ends is known when the next one begins, so with a bad line ahead one row is held back.
 */
export async function* withBadLines(
  batches: AsyncIterable<RawRow[]>,
  badLines: Map<number, string>,
): AsyncGenerator<RawRow[], void, undefined> {
  let held: RawRow | null = null
  for await (const batch of batches) {
    if (held === null && badLines.size === 0) {
      yield batch
      continue
    }
    const rows: RawRow[] = []
    for (const row of batch) {
      if (held !== null) rows.push(marked(held, row.line, badLines))
      held = row
    }
    yield rows
  }
  if (held !== null) yield [marked(held, Number.POSITIVE_INFINITY, badLines)]
}

function marked(row: RawRow, nextLine: number, badLines: Map<number, string>): RawRow {
  let problem: string | null = null
  for (const [line, found] of badLines) {
    if (line >= nextLine) break
    badLines.delete(line)
    if (line >= row.line) problem ??= line === row.line ? found : `${found} on line ${line}`
  }
  return problem === null || row.kind === 'broken' ? row : { ...row, problem }
}

import type { OpenedText, RawRow } from './catalog.js'

/** At least this many rows, or all there are. */
export async function firstRows(chunks: OpenedText['chunks'], atLeast: number): Promise<RawRow[]> {
  const rows: RawRow[] = []
  while (rows.length < atLeast) {
    const next = await chunks.next()
    if (next.done) break
    for (const row of next.value) rows.push(row)
  }
  return rows
}

export async function* prepend<T>(first: T, rest: AsyncIterable<T>): AsyncGenerator<T, void, undefined> {
  yield first
  yield* rest
}

/** The rows one by one. Calls `close` after the last one, or when the reader stops. */
export function readOnce(chunks: AsyncIterable<RawRow[]>, close: () => void): () => AsyncIterable<RawRow> {
  let used = false
  return async function* () {
    if (used) throw new Error('The rows of a catalog can be read once')
    used = true
    try {
      for await (const chunk of chunks) for (const row of chunk) yield row
    } finally {
      close()
    }
  }
}

/**
 * Marks rows that contain bad lines: some of their bytes could not be decoded, so they are kept but not searched.
 * A row ends where the next one begins, so one row is held back while there are bad lines.
 */
export async function* withBadLines(
  chunks: AsyncIterable<RawRow[]>,
  badLines: Map<number, string>,
): AsyncGenerator<RawRow[], void, undefined> {
  let held: RawRow | null = null
  for await (const chunk of chunks) {
    if (held === null && badLines.size === 0) {
      yield chunk
      continue
    }
    const rows: RawRow[] = []
    for (const row of chunk) {
      if (held !== null) rows.push(markBadLines(held, row.line, badLines))
      held = row
    }
    yield rows
  }
  if (held !== null) yield [markBadLines(held, Number.POSITIVE_INFINITY, badLines)]
}

function markBadLines(row: RawRow, nextLine: number, badLines: Map<number, string>): RawRow {
  let problem: string | null = null
  for (const [line, found] of badLines) {
    if (line >= nextLine) break
    badLines.delete(line)
    if (line >= row.line) problem ??= line === row.line ? found : `${found} on line ${line}`
  }
  return problem === null || row.kind === 'broken' ? row : { ...row, problem }
}

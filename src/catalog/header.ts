import { UsageError } from '../domain/errors.js'
import type { RawRow } from './catalog.js'

/** The columns as written. A header with an empty or a repeated name is refused: a cell would have no name, or two. */
export function requireHeader(row: RawRow | undefined, name: string): readonly string[] {
  if (row?.kind !== 'cells') {
    throw new UsageError(
      `${name}: expected a header line with the names of the columns, found one that cannot be read.`,
    )
  }
  if (row.problem !== undefined) throw new UsageError(`${name}, line ${row.line}: ${row.problem}.`)
  const seen = new Set<string>()
  for (const [index, column] of row.cells.entries()) {
    const plain = column.trim()
    if (plain === '') {
      throw new UsageError(
        `${name}: expected a name for every column, found none for column ${index + 1} in the header.`,
      )
    }
    if (seen.has(plain)) {
      throw new UsageError(`${name}: expected every column name once, found "${plain}" twice. Rename one of them.`)
    }
    seen.add(plain)
  }
  return row.cells
}

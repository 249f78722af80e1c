import { UsageError } from '../domain/errors.js'
import type { RawRow } from './catalog.js'

/** The columns as written. A nameless or repeated one is no trouble before somebody uses it. */
export function requireHeader(row: RawRow | undefined, name: string): readonly string[] {
  if (row?.kind !== 'cells') {
    throw new UsageError(
      `${name}: expected a header line with the names of the columns, found one that cannot be read. ` +
        'If the header is on a later line of the file, say so: --header-row N.',
    )
  }
  if (row.problem !== undefined) throw new UsageError(`${name}, line ${row.line}: ${row.problem}.`)
  if (row.cells.some((column) => column.trim() !== '')) return row.cells
  throw new UsageError(
    `${name}, line ${row.line}: expected a header line with the names of the columns, found no name in it. ` +
      'If the header is on another line of the file, say so: --header-row N.',
  )
}

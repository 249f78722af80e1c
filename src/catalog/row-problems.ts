import type { Catalog } from './catalog.js'
import { ERROR_COLUMN, foldName, isExportColumn } from './column-names.js'

/** White space and invisible characters around a name. */
const LONGEST_PADDING = 8

/** Spreadsheets leave out empty cells at the end, or add some; neither is a problem. */
export function cellsProblem(cells: readonly string[], { columns, names }: Catalog): string | null {
  if (cells.length > names.length && cells.slice(names.length).some((cell) => cell.trim() !== '')) {
    return `expected ${names.length} cells, found ${cells.length}`
  }
  // A file joined from several has their headers in it, and so has an export of it.
  const isHeader =
    cells.length >= names.length &&
    names.every((name, index) => {
      const [cell, column] = [cells[index] ?? '', columns[index] ?? '']
      if (cell === column || isExportColumn(column)) return true
      return cell.length < name.length + LONGEST_PADDING && foldName(cell) === name
    })
  if (isHeader && !columns.every(isExportColumn)) return 'expected a row, found the header again'
  return isRule(cells, columns) ? 'expected a row, found a line of dashes' : null
}

/**
 * Problems that an export hides: it quotes a stray mark, joins surplus cells, cuts a long row, and writes
 * U+FFFD for invalid bytes. When the export is submitted, such a row would look valid and be paid for.
 */
const HIDDEN = new RegExp(
  '^(?:line|row) \\d+: (expected (?:a closing quotation mark|a separator or the end of the line|a row of at most|\\d+ cells, found|' +
    '[\\w-]+, found (?:the )?bytes?\\b).*?)(?: \\(in an earlier export.*)?$',
  's',
)

/**
 * @param error the reason in an earlier export
 * @param place the column or key with that reason
 */
export function earlierProblem(error: string, place = ERROR_COLUMN): string | null {
  const reason = HIDDEN.exec(error)?.[1]
  return reason === undefined ? null : `${reason} (in an earlier export; clear ${place} once the row is corrected)`
}

/** The line between header and rows that Markdown and database shells draw. */
function isRule(cells: readonly string[], columns: readonly string[]): boolean {
  let dashes = 0
  for (const [index, cell] of cells.entries()) {
    const text = isExportColumn(columns[index] ?? '') ? '' : cell.trim()
    if (text === '') continue
    if (!/^:?-{3,}:?$/.test(text)) return false
    dashes++
  }
  return dashes > 0
}

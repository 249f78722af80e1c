/**
 * Cells that a spreadsheet would run, and the apostrophe in front that keeps it from doing so. A number keeps its sign
 * ("-5" stays a number). Source: OWASP, CSV injection; the full-width signs are read as their plain ones
 * by some programs.
 */
const FORMULA_START = /^'*[=+\-@\t\r\n\uFF1D\uFF0B\uFF0D\uFF20]/
/** Signed, with decimals in either notation, grouped thousands, exponent or percent; and the dash that means "none". */
const NUMBER = /^([+-]?(\d+([.,]\d+)*|[.,]\d+)(e[+-]?\d+)?%?|-)$/i

/** Apostrophes before a formula count as its beginning, so that the way back is always the same cell. */
export function guardFormula(cell: string): string {
  return FORMULA_START.test(cell) && !NUMBER.test(cell) ? `'${cell}` : cell
}

/** The way back. */
export function unguardFormula(cell: string): string {
  if (!cell.startsWith("'")) return cell
  const bare = cell.slice(1)
  return guardFormula(bare) === cell ? bare : cell
}

/** The column that says that every cell of a CSV export was guarded. */
export const GUARD_COLUMN = 'trackyard_spreadsheet_safe'

/**
 * A spreadsheet runs cells that look like formulas; an apostrophe in front prevents it. A signed number
 * stays as it is ("-5"). Source: OWASP, CSV injection. Some programs read full-width signs like plain ones.
 */

const FORMULA_START = /^'*[=+\-@\t\r\n\uFF1D\uFF0B\uFF0D\uFF20]/
/** Sign, decimal point or comma, grouped thousands, exponent, percent; also the single dash that means "none". */
const NUMBER = /^([+-]?(\d+([.,]\d+)*|[.,]\d+)(e[+-]?\d+)?%?|-)$/i

/** Apostrophes before a formula are guarded too, so that `unguardFormula` always restores the same cell. */
export function guardFormula(cell: string): string {
  return FORMULA_START.test(cell) && !NUMBER.test(cell) ? `'${cell}` : cell
}

/** The inverse of `guardFormula`. */
export function unguardFormula(cell: string): string {
  if (!cell.startsWith("'")) return cell
  const bare = cell.slice(1)
  return guardFormula(bare) === cell ? bare : cell
}

/** This column marks a CSV export whose cells are guarded. */
export const GUARD_COLUMN = 'trackyard_spreadsheet_safe'

/**
 * Cells that no spreadsheet runs. A cell that begins like a formula gets an apostrophe in front, which
 * spreadsheets take as "this is text"; a number keeps its sign ("-5" stays a number), and every other
 * cell leaves as it came. Source: OWASP, CSV injection; the full-width signs are read as their plain
 * ones by some programs.
 */
const FORMULA_START = /^[=+\-@\t\r\n\uFF1D\uFF0B\uFF0D\uFF20]/
/** Signed, with decimals in either notation, grouped thousands, exponent or percent; and the dash that means "none". */
const NUMBER = /^([+-]?(\d+([.,]\d+)*|[.,]\d+)(e[+-]?\d+)?%?|-)$/i

export function spreadsheetSafe(cell: string): string {
  return FORMULA_START.test(cell) && !NUMBER.test(cell) ? `'${cell}` : cell
}

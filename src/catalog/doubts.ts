import { filterDoubts } from './filters.js'

export type Doubts = ReturnType<typeof collectDoubts>

/** How many examples a message gives. */
const SHOWN = 3

/**
 * Collects rows that are valid but may not be what the user means. None is refused, but the user should see
 * them before paying.
 *
 * @param place what messages call the place of a row
 */
export function collectDoubts(place: 'line' | 'row' = 'line') {
  const on = place === 'line' ? 'on line' : 'in row'
  const placeholders: { line: number; column: string; value: string }[] = []
  let placeholderCount = 0
  const inside: { line: number; rows: number }[] = []
  let insideCount = 0
  const filterNames = new Set<string>()
  return {
    /** A column of the query has a value that means "no value" in some program. */
    addPlaceholder(found: { readonly line: number; readonly column: string; readonly value: string }): void {
      placeholderCount++
      if (placeholders.length < SHOWN) placeholders.push(found)
    },
    /** Lines inside a quoted cell look like rows. */
    addRowsInside(found: { readonly line: number; readonly rows: number }): void {
      insideCount++
      if (inside.length < SHOWN) inside.push(found)
    },
    addFilterNames(names: readonly string[]): void {
      for (const name of names) filterNames.add(name)
    },
    /** Warnings for the plan. */
    messages(): readonly string[] {
      const messages: string[] = []
      if (placeholderCount > 0) {
        const examples = placeholders.map(({ line, column, value }) => `${value} in {${column}} ${on} ${line}`)
        messages.push(
          `${placeholderCount} ${placeholderCount === 1 ? 'value looks' : 'values look'} like "no value" and would be searched as words: ` +
            `${examples.join(', ')}${placeholderCount > SHOWN ? ', …' : ''}.`,
        )
      }
      for (const { line, rows } of inside) {
        messages.push(
          `The row on line ${line} has a quoted cell in which ${rows} ${rows === 1 ? 'line looks' : 'lines look'} like rows: is a quotation mark missing?`,
        )
      }
      if (insideCount > SHOWN) messages.push(`… and ${insideCount - SHOWN} more such rows.`)
      return [...messages, ...filterDoubts(filterNames)]
    },
    /** Whether the batch would pay for searches that the user may not want. */
    get needsConfirmation(): boolean {
      return placeholderCount > 0
    },
  }
}

/** Sources: pandas' default NA values, SQL dumps, error values of spreadsheets. */
const PLACEHOLDERS = new Set(
  [
    'null',
    '(null)',
    '<null>',
    '[null]',
    'none',
    'nan',
    '-nan',
    'nat',
    '<na>',
    'n/a',
    'na',
    'undefined',
    'nil',
    '""',
    "''",
  ].concat(['#n/a', '#n/a n/a', '#na', '#nv', '#n/d', '#n/disp', '1.#ind', '-1.#ind', '1.#qnan', '-1.#qnan']),
)
/** `#REF!`, `#DIV/0!`, `#NAME?`, in any language. */
const SHEET_ERROR = /^#[\p{Lu}\p{N}/_¡¿]{2,20}[!?]$/u
const LONGEST = 24

export function isPlaceholder(value: string): boolean {
  if (value.length > LONGEST || value.length < 2) return false
  if (value === '\\N') return true
  return PLACEHOLDERS.has(value.toLowerCase()) || SHEET_ERROR.test(value)
}

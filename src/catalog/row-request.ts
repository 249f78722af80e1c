import { UsageError } from '../domain/errors.js'
import type { Filters } from '../domain/request.js'
import type { Catalog, CatalogWords, RawRow } from './catalog.js'
import { columnListText, ERROR_COLUMN, isExportColumn, requireCsvColumn } from './column-names.js'
import { isPlaceholder } from './doubts.js'
import { describeValue, filterProblem, isFilters, limitProblem, offsetProblem, withPlainNumbers } from './filters.js'
import { cellsProblem, earlierProblem } from './row-problems.js'
import { hasSearchableText, plainText, textOf, unprintable } from './value-text.js'

/**
 * The request of one row. Either a template is filled with the row's values, or the row has its own `query`;
 * a JSONL row without a template may have `limit`, `offset` and `filters` too. If all columns of the template
 * are empty in a row, the row has no request: the words around them say nothing about that row.
 */
export type RowRequest =
  | (Common & { readonly query: string; readonly offset?: number | undefined })
  | { readonly problem: string }

export interface RowRequestReader {
  /** The columns that it reads. */
  readonly names: readonly string[]
  read(row: RawRow): RowRequest
  /** Columns of the query whose whole value means "no value", such as NULL. */
  placeholders(row: RawRow): readonly Placeholder[]
}

interface Placeholder {
  readonly column: string
  readonly value: string
}

/** What the command sets for every row. */
interface Common {
  readonly limit?: number | undefined
  readonly filters?: Filters | undefined
}

/** @throws UsageError when the template does not fit, or there is none and no `query` either */
export function rowRequestReader(catalog: Catalog, template: string | null, common: Common): RowRequestReader {
  const { names } = catalog
  const isComplete = catalog.format === 'csv'
  if (template === null && isComplete) {
    if (!names.includes('query')) throw noQueryColumnError(catalog)
    requireCsvColumn('query', names, 'A query for each row')
  }
  const parsed =
    template === null
      ? { texts: ['', ''], names: ['query'] }
      : parseTemplate(template, names, isComplete, catalog.words)
  const indexes = parsed.names.map((name) => names.indexOf(name))
  const errorColumn = catalog.columns.findIndex((column) => column.trim() === ERROR_COLUMN)
  const read = (row: RawRow): RowRequest => {
    if (row.problem !== undefined) return { problem: row.problem }
    switch (row.kind) {
      case 'broken':
        return { problem: row.problem }
      case 'cells': {
        const { cells } = row
        const problem = cellsProblem(cells, catalog) ?? earlierProblem(cells[errorColumn] ?? '')
        if (problem !== null) return { problem }
        const values = indexes.map((index) => cells[index] ?? '')
        return { ...common, ...fill(parsed, values) }
      }
      case 'object':
        return template === null ? ownRequest(row.value, common) : { ...common, ...fillFrom(parsed, row.value) }
      default:
        return row satisfies never
    }
  }
  const placeholders = (row: RawRow): readonly Placeholder[] => {
    if (row.kind === 'broken') return []
    return parsed.names.flatMap((column, n) => {
      const given = row.kind === 'cells' ? row.cells[indexes[n] ?? -1] : row.value[column]
      const value = typeof given === 'string' ? plainText(given) : ''
      return isPlaceholder(value) ? [{ column, value }] : []
    })
  }
  return { names: template === null && !isComplete ? OWN_KEYS : parsed.names, read, placeholders }
}

const OWN_KEYS = ['query', 'limit', 'offset', 'filters']

/** A warning about what looks like a part of the request, but is data of the row. Null: there is none. */
export function unusedKeysDoubt(catalog: Catalog, template: string | null): string | null {
  const { format, names, words } = catalog
  if (format === 'jsonl' && template === null) return null
  const unused = OWN_KEYS.filter((key) => key !== 'query' && names.includes(key) && !template?.includes(`{${key}}`))
  if (unused.length === 0) return null
  const shown = unused.map((key) => `"${key}"`).join(', ')
  const options = words.row === 'line' ? '--limit and --filters' : 'the options limit and filters'
  const which = unused.length === 1 ? `${words.column} ${shown} is` : `${words.columns} ${shown} are`
  return `The ${which} not used for the request: ${options} are for every row. Only a JSON row without a template has its own.`
}

/** The error for a command without a template and a catalog without queries of its own. */
export function noQueryColumnError(catalog: Catalog): UsageError {
  const own = catalog.names.filter((name) => !isExportColumn(name))
  const example = own.find((name) => /title|name|description|mood/i.test(name)) ?? own[0] ?? 'title'
  const { words, names } = catalog
  const where = words.row === 'line' ? `${catalog.name}: ` : ''
  return new UsageError(
    `${where}expected ${words.query} with a template, since there is no ${words.column} "query". ` +
      `For example: ${words.row === 'line' ? '--query ' : ''}"{${example}} music". ${columnListText(names, words)}`,
  )
}

function fill(template: Template, values: readonly string[]): { query: string } | { problem: string } {
  let query = template.texts[0] ?? ''
  let hasValue = false
  let next = 1
  for (const value of values) {
    const text = plainText(value)
    hasValue ||= hasSearchableText(text)
    query += text + (template.texts[next++] ?? '')
  }
  if (unprintable(query) !== null) return unprintableIn(template, values)
  return hasValue
    ? { query }
    : { problem: `expected text in ${template.names.map((name) => `{${name}}`).join(' or ')}, found none` }
}

function unprintableIn(template: Template, values: readonly string[]): { problem: string } {
  for (const [index, name] of template.names.entries()) {
    const bad = unprintable(plainText(values[index] ?? ''))
    if (bad !== null) return { problem: `expected plain text in {${name}}, found ${bad}` }
  }
  return { problem: `expected plain text in the query template, found ${unprintable(template.texts.join(' '))}` }
}

function fillFrom(template: Template, row: Readonly<Record<string, unknown>>): { query: string } | { problem: string } {
  const values: string[] = []
  for (const name of template.names) {
    const text = textOf(Object.hasOwn(row, name) ? row[name] : null)
    if (text === null)
      return { problem: `expected text, a number or a list of these in {${name}}, found ${describeValue(row[name])}` }
    values.push(text)
  }
  return fill(template, values)
}

function ownRequest(row: Readonly<Record<string, unknown>>, common: Common): RowRequest {
  const { query } = row
  const [limit, offset, filters] = [row.limit, row.offset, row.filters].map((value) => withPlainNumbers(value))
  if (typeof query !== 'string') return { problem: `expected query to be a text, found ${describeValue(query)}` }
  const problem =
    (given(limit) ? limitProblem(limit) : null) ??
    (given(offset) ? offsetProblem(offset) : null) ??
    (given(filters) ? filterProblem(filters) : null)
  if (problem !== null) return { problem }
  const merged = isFilters(filters) ? { ...common.filters, ...filters } : common.filters
  const together = merged === undefined ? null : filterProblem(merged)
  if (together !== null) return { problem: together }
  const text = plainText(query)
  const bad = unprintable(text)
  if (bad !== null) return { problem: `expected plain text in query, found ${bad}` }
  return {
    query: text,
    limit: typeof limit === 'number' ? limit : common.limit,
    offset: typeof offset === 'number' ? offset : undefined,
    filters: merged,
  }
}

function given(value: unknown): boolean {
  return value !== undefined && value !== null
}

/**
 * `"{title} {mood} music"`: text with the names of columns in braces; `{{` and `}}` are literal braces.
 * It is checked against the catalog's columns before a row is read.
 */
interface Template {
  /** The text around the columns: one entry more than there are columns. */
  readonly texts: readonly string[]
  /** The columns in the order of their mention. */
  readonly names: readonly string[]
}

/**
 * @param isComplete the catalog has only these columns; a JSON row may have more
 * @throws UsageError for an unmatched brace, an unknown column, or no column at all
 */
function parseTemplate(source: string, known: readonly string[], isComplete: boolean, words: CatalogWords): Template {
  const texts: string[] = []
  const names: string[] = []
  let text = ''
  for (const [part, name] of source.matchAll(/\{\{|\}\}|\{([^{}]*)\}|[{}]|[^{}]+/g)) {
    if (part === '{' || part === '}') throw looseBrace(source, part, words)
    if (name === undefined) {
      text += part === '{{' ? '{' : part === '}}' ? '}' : part
      continue
    }
    names.push(isComplete ? (known[requireCsvColumn(name, known, TEMPLATE)] ?? '') : name.trim())
    texts.push(text)
    text = ''
  }
  texts.push(text)
  if (names.length > 0) return { texts, names }
  throw new UsageError(
    `The query template ${JSON.stringify(source)} names no ${words.column}, so all rows would have the same search. ` +
      `Put names of ${words.columns} in braces, such as "{${known[0] ?? 'title'}} music". ${columnListText(known, words)}`,
  )
}

/** How messages refer to the template. */
export const TEMPLATE = 'The query template'

function looseBrace(source: string, brace: string, { column }: CatalogWords): UsageError {
  return new UsageError(
    `The query template ${JSON.stringify(source)} has a ${brace} without its partner. ` +
      `Write {${column}} for a ${column} and ${brace}${brace} for the brace itself.`,
  )
}

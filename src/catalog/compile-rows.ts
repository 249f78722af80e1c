import { UsageError } from '../domain/errors.js'
import { canonicalRequest, type Filters, fingerprint, type LoadedRow, type SearchRequest } from '../domain/request.js'
import { type Catalog, FILE_WORDS, type RawRow } from './catalog.js'
import { noSuchColumnError, requireCsvColumn } from './column-names.js'
import type { Doubts } from './doubts.js'
import { describeValue, filterProblem, limitProblem } from './filters.js'
import { exactRows } from './json/exact-json.js'
import { listInObjectError, listPath } from './json/json-shape.js'
import {
  noQueryColumnError,
  type RowRequest,
  type RowRequestReader,
  rowRequestReader,
  TEMPLATE,
} from './row-request.js'
import { hasSearchableText, plainText, scalarText, unprintable } from './value-text.js'

export interface RowRules {
  readonly catalog: Catalog
  /** `"{title} {mood} music"`; null: each row's own `query` (and, in JSONL, `limit`, `offset`, `filters`). */
  readonly template: string | null
  /** The user's own id; null: the column `id` if there is one, else none. */
  readonly idColumn?: string | null | undefined
  /** Tracks wanted, 1–100; a JSONL row's own wins. */
  readonly limit?: number | undefined
  /** For all rows; those of a JSONL row are added and win. */
  readonly filters?: Filters | undefined
  /** Collects rows that may not be what the user means. */
  readonly doubts?: Doubts | undefined
}

/** Our own limit; the API documents none. A longer query is probably a cell whose quotation mark is missing. */
const LONGEST_QUERY = 2000

/**
 * Turns every row of a catalog into exactly one loaded row, in order: with its request, or with the reason
 * why it has none. A mistake in the command (template, id column, limit, filters) is thrown before the first
 * row is read. A mistake in a row becomes that row's problem.
 * @throws UsageError for options that do not fit this catalog; reading may throw as `Catalog.rows` does
 */
export function compileRows(rules: RowRules): AsyncIterable<LoadedRow> {
  const { catalog, limit, filters } = rules
  const problem = (limit === undefined ? null : limitProblem(limit)) ?? (filters && filterProblem(filters)) ?? null
  if (problem !== null) throw new UsageError(`${problem}.`)
  const requests = rowRequestReader(catalog, rules.template, { limit, filters })
  const id = idReader(catalog, rules.idColumn ?? null)
  return loadedRows(rules, requests, id)
}

async function* loadedRows(
  { catalog, template, idColumn, doubts }: RowRules,
  requests: RowRequestReader,
  id: IdReader,
): AsyncGenerator<LoadedRow, void, undefined> {
  const exact = exactRows(id.name === null ? requests.names : [...requests.names, id.name])
  const needed = template === null ? ['query'] : requests.names
  // Each row of a JSON catalog has its own keys, so only after the last row is it known which of these are missing.
  const missing = new Set(idColumn == null || id.name === null ? needed : [...needed, id.name])
  for (const name of catalog.names) missing.delete(name)
  let position = 0
  let first: RawRow | null = null
  for await (const raw of catalog.rows()) {
    const row = exact(raw)
    position++
    first ??= row
    if (missing.size > 0 && row.kind === 'object') {
      for (const name of missing) if (Object.hasOwn(row.value, name)) missing.delete(name)
    }
    const key = id.read(row)
    const compiled = key.problem === null ? requestOf(requests.read(row)) : { problem: key.problem }
    const request = 'problem' in compiled ? null : { fingerprint: fingerprint(compiled), request: compiled }
    if (doubts !== undefined) noteDoubts(row, 'problem' in compiled ? null : { request: compiled, requests }, doubts)
    yield {
      position,
      line: catalog.words.row === 'line' ? row.line : null,
      key: key.value,
      row: jsonOf(row),
      request,
      problem: 'problem' in compiled ? `${catalog.words.row} ${row.line}: ${compiled.problem}` : null,
    }
  }
  const { words } = catalog
  // The file may be one object, with the rows inside.
  const isFile = words.row === 'line'
  const path = isFile && missing.size > 0 && position === 1 && first?.kind === 'object' ? listPath(first.text) : null
  if (path !== null) throw listInObjectError(catalog.name, path)
  for (const name of missing) {
    if (name !== id.name && template === null) throw noQueryColumnError(catalog)
    throw noSuchColumnError(name, catalog.names, name === id.name ? words.id : TEMPLATE, { words })
  }
}

/** @param searched null: it is not */
function noteDoubts(
  row: RawRow,
  searched: { readonly request: SearchRequest; readonly requests: RowRequestReader } | null,
  doubts: Doubts,
): void {
  const { line } = row
  if (searched !== null) {
    for (const found of searched.requests.placeholders(row)) doubts.addPlaceholder({ line, ...found })
    doubts.addFilterNames(Object.keys(searched.request.filters ?? {}))
  }
  if (row.kind === 'cells' && row.rowsInside !== undefined) doubts.addRowsInside({ line, rows: row.rowsInside })
}

function requestOf(read: RowRequest): SearchRequest | { problem: string } {
  if ('problem' in read) return read
  const request = canonicalRequest(read)
  if (!hasSearchableText(request.query)) return { problem: 'expected a query, found an empty one' }
  if (request.query.length > LONGEST_QUERY) {
    return { problem: `expected a query of at most ${LONGEST_QUERY} characters, found ${request.query.length}` }
  }
  return request
}

function jsonOf(row: RawRow): string {
  switch (row.kind) {
    case 'cells':
      return JSON.stringify(row.cells)
    case 'object':
      return row.text
    case 'broken':
      return row.json
    default:
      return row satisfies never
  }
}

interface IdReader {
  /** Null: rows have no ids. */
  readonly name: string | null
  read(row: RawRow): { readonly value: string | null; readonly problem: string | null }
}

const NO_ID = { value: null, problem: null }

function idReader(catalog: Catalog, idColumn: string | null): IdReader {
  const isComplete = catalog.format === 'csv'
  const wanted = idColumn?.trim() ?? 'id'
  if (idColumn === null && isComplete && !catalog.names.includes('id')) return { name: null, read: () => NO_ID }
  const where = idColumn === null ? `The default of ${FILE_WORDS.id}` : catalog.words.id
  const index = isComplete ? requireCsvColumn(wanted, catalog.names, where) : -1
  const name = isComplete ? (catalog.names[index] ?? '') : wanted
  return {
    name,
    read: (row) => {
      if (row.kind === 'broken') return NO_ID
      if (row.kind === 'cells') return idOf(row.cells[index], name)
      return idOf(Object.hasOwn(row.value, name) ? row.value[name] : null, name)
    },
  }
}

/** A note that rows have no ids, and which column may have them. Null: there is an id column. */
export function missingIdNote(catalog: Catalog, idColumn: string | null): string | null {
  if (idColumn !== null || catalog.format !== 'csv' || catalog.names.includes('id')) return null
  const likely =
    catalog.names.find((name) => /(^|[^a-z])(id|uuid|guid|sku|isrc)$/i.test(name)) ??
    catalog.names.find((name) => /[a-z]I[dD]$/.test(name))
  return likely === undefined ? 'without row ids' : `without row ids (is it "${likely}"? --id "${likely}")`
}

/** An empty id counts as none. An unusable one is the row's problem, since the user could not find the row by it. */
function idOf(value: unknown, name: string): { readonly value: string | null; readonly problem: string | null } {
  if (value === undefined || value === null) return NO_ID
  const written = scalarText(value)
  if (written === null)
    return {
      value: null,
      problem: `expected the id in ${name} to be a text or a number, found ${describeValue(value)}`,
    }
  const text = plainText(written)
  const bad = unprintable(text)
  if (bad !== null) return { value: null, problem: `expected an id of plain text in ${name}, found ${bad}` }
  return text === '' ? NO_ID : { value: text, problem: null }
}

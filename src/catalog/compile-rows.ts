import { UsageError } from '../domain/errors.js'
import { canonicalRequest, type Filters, fingerprint, type LoadedRow, type SearchRequest } from '../domain/request.js'
import type { Catalog, RawRow } from './catalog.js'
import { noSuchColumn, requireCsvColumn } from './column-names.js'
import type { Doubts } from './doubts.js'
import { filterProblem, found, limitProblem } from './filters.js'
import { exactRows } from './json.js'
import { listInObject, listPath } from './json-shape.js'
import { noQueryColumn, type RowRequest, type RowRequestReader, rowRequestReader } from './row-request.js'
import { TEMPLATE } from './template.js'
import { hasInk, plainText, scalarText, unprintable } from './value-text.js'

/**
 * Every row of a catalog becomes exactly one loaded row, in order: with its request, or with the
 * reason why it has none. A mistake in the command (template, id column, limit, filters) is thrown
 * at once, before the first row is read; a mistake in a row is that row's problem.
 */
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
  /** Is told what may be meant otherwise. */
  readonly doubts?: Doubts | undefined
}

/** Source: our own caution. The API names no limit; a longer one is a cell that was never closed, not a question. */
const LONGEST_QUERY = 2000

/** @throws UsageError for a command that cannot work with this catalog; reading may throw as `Catalog.rows` does */
export function compileRows(rules: RowRules): AsyncIterable<LoadedRow> {
  const { catalog, limit, filters } = rules
  const problem = (limit === undefined ? null : limitProblem(limit)) ?? (filters && filterProblem(filters)) ?? null
  if (problem !== null) throw new UsageError(`${problem}.`)
  const question = rowRequestReader(catalog, rules.template, { limit, filters })
  const id = idReader(catalog, rules.idColumn ?? null)
  return loadedRows(rules, question, id)
}

async function* loadedRows(
  { catalog, template, idColumn, doubts }: RowRules,
  question: RowRequestReader,
  id: IdReader,
): AsyncGenerator<LoadedRow, void, undefined> {
  const exact = exactRows(id.name === null ? question.names : [...question.names, id.name])
  const needed = template === null ? ['query'] : question.names
  // Each row of a JSON catalog brings its own keys: only behind the last one it is known which of these none has.
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
    const asked = key.problem === null ? requestOf(question.ask(row)) : { problem: key.problem }
    const request = 'problem' in asked ? null : { fingerprint: fingerprint(asked), request: asked }
    if (doubts !== undefined) note(row, request === null ? null : question, doubts)
    yield {
      position,
      line: catalog.words.row === 'line' ? row.line : null,
      key: key.value,
      row: jsonOf(row),
      request,
      problem: 'problem' in asked ? `${catalog.words.row} ${row.line}: ${asked.problem}` : null,
    }
  }
  const { words } = catalog
  // The file may be one object, with the rows inside.
  const isFile = words.row === 'line'
  const path = isFile && missing.size > 0 && position === 1 && first?.kind === 'object' ? listPath(first.text) : null
  if (path !== null) throw listInObject(catalog.name, path)
  for (const name of missing) {
    if (name !== id.name && template === null) throw noQueryColumn(catalog)
    throw noSuchColumn(name, catalog.names, name === id.name ? words.id : TEMPLATE, { words })
  }
}

/** @param question null for a row that is not searched */
function note(row: RawRow, question: RowRequestReader | null, doubts: Doubts): void {
  const { line } = row
  if (question !== null) for (const found of question.placeholders(row)) doubts.addPlaceholder({ line, ...found })
  if (row.kind === 'cells' && row.rowsInside !== undefined) doubts.addRowsInside({ line, rows: row.rowsInside })
}

function requestOf(question: RowRequest): SearchRequest | { problem: string } {
  if ('problem' in question) return question
  const request = canonicalRequest(question)
  if (!hasInk(request.query)) return { problem: 'expected a query, found an empty one' }
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
  const index = isComplete ? requireCsvColumn(wanted, catalog.names, '--id') : -1
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

/** Says that rows are known by their position only, and which column may hold the ids; null: there is an id column. */
export function missingIdNote(catalog: Catalog, idColumn: string | null): string | null {
  if (idColumn !== null || catalog.format !== 'csv' || catalog.names.includes('id')) return null
  const likely =
    catalog.names.find((name) => /(^|[^a-z])(id|uuid|guid|sku|isrc)$/i.test(name)) ??
    catalog.names.find((name) => /[a-z]I[dD]$/.test(name))
  return likely === undefined ? 'without row ids' : `without row ids (is it "${likely}"? --id "${likely}")`
}

/** An empty id is none; what cannot be one is the row's problem, since its owner could not find the row again. */
function idOf(value: unknown, name: string): { readonly value: string | null; readonly problem: string | null } {
  if (value === undefined || value === null) return NO_ID
  const written = scalarText(value)
  if (written === null)
    return { value: null, problem: `expected the id in ${name} to be a text or a number, found ${found(value)}` }
  const text = plainText(written)
  const bad = unprintable(text)
  if (bad !== null) return { value: null, problem: `expected an id of plain text in ${name}, found ${bad}` }
  return text === '' ? NO_ID : { value: text, problem: null }
}

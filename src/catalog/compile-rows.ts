import { UsageError } from '../domain/errors.js'
import type { LoadedRow } from '../domain/loaded-row.js'
import { canonicalRequest, type Filters, fingerprint, type SearchRequest } from '../domain/request.js'
import type { Catalog, RawRow } from './catalog.js'
import { filterProblem, limitProblem } from './filters.js'
import { hasInk, type Question, type QuestionReader, questionReader } from './question.js'
import { requireColumn } from './template.js'

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
}

/** Source: our own caution. The API names no limit; a longer one is a cell that was never closed, not a question. */
const LONGEST_QUERY = 2000
/** Control characters and halves of a character: no question holds them, and no log or table should. */
const UNPRINTABLE = /[\p{Cc}\p{Cs}]/u

/** @throws UsageError for a command that cannot work with this catalog; reading may throw as `Catalog.rows` does */
export function compileRows(rules: RowRules): AsyncIterable<LoadedRow> {
  const { catalog, limit, filters } = rules
  const problem = (limit === undefined ? null : limitProblem(limit)) ?? (filters && filterProblem(filters)) ?? null
  if (problem !== null) throw new UsageError(`${problem}.`)
  const read = questionReader(catalog, rules.template, { limit, filters })
  const readKey = keyReader(catalog, rules.idColumn ?? null)
  return loadedRows(catalog.rows(), read, readKey)
}

async function* loadedRows(
  rows: AsyncIterable<RawRow>,
  read: QuestionReader,
  readKey: KeyReader,
): AsyncGenerator<LoadedRow, void, undefined> {
  let position = 0
  for await (const row of rows) {
    position++
    const key = readKey(row)
    const asked = key.problem === null ? requestOf(read(row)) : { problem: key.problem }
    const problem = 'problem' in asked ? `line ${row.line}: ${asked.problem}` : null
    const request = 'problem' in asked ? null : { fingerprint: fingerprint(asked), request: asked }
    yield { position, line: row.line, key: key.value, row: jsonOf(row), request, problem }
  }
}

function requestOf(question: Question): SearchRequest | { problem: string } {
  if ('problem' in question) return question
  const request = canonicalRequest(question)
  if (!hasInk(request.query)) return { problem: 'expected a query, found an empty one' }
  if (request.query.length > LONGEST_QUERY) {
    return { problem: `expected a query of at most ${LONGEST_QUERY} characters, found ${request.query.length}` }
  }
  if (UNPRINTABLE.test(request.query))
    return { problem: 'expected a query of plain text, found control characters in it' }
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

type KeyReader = (row: RawRow) => { readonly value: string | null; readonly problem: string | null }

const NO_KEY = { value: null, problem: null }

function keyReader(catalog: Catalog, idColumn: string | null): KeyReader {
  if (idColumn === null && !catalog.names.includes('id')) return () => NO_KEY
  const name = idColumn === null ? 'id' : requireColumn(idColumn.trim(), catalog.names, '--id')
  const index = catalog.names.indexOf(name)
  return (row) => {
    if (row.kind === 'broken') return NO_KEY
    if (row.kind === 'cells') return keyOf(row.cells[index])
    return keyOf(Object.hasOwn(row.value, name) ? row.value[name] : null)
  }
}

/** An empty id is none; what cannot be one is the row's problem, since its owner could not find the row again. */
function keyOf(value: unknown): { readonly value: string | null; readonly problem: string | null } {
  if (value === undefined || value === null) return NO_KEY
  if (Number.isInteger(value) && !Number.isSafeInteger(value)) {
    return { value: null, problem: 'expected an id of at most 15 digits, or in quotation marks, found a longer number' }
  }
  const text = typeof value === 'string' ? value.trim() : typeof value === 'number' ? String(value) : null
  if (text === null) return { value: null, problem: 'expected the id to be a text or a number, found something else' }
  if (UNPRINTABLE.test(text))
    return { value: null, problem: 'expected an id of plain text, found control characters in it' }
  return text === '' ? NO_KEY : { value: text, problem: null }
}

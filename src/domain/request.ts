import { hash } from 'node:crypto'

/**
 * One search as the API accepts it (POST /search), and the rule for when two are the same.
 *
 * The canonical form: the query in Unicode NFC, trimmed, inner white space folded to one space;
 * `limit` and `offset` always written out (the documented defaults 20 and 0); filters with sorted
 * keys, `genres` and `moods` sorted and without repeats, empty filters left out. The order in any other list may
 * matter, so it stays. Letter case is kept: the API does not say that it ignores case, and a search merged by mistake
 * gives a row a wrong answer.
 * The canonical form is what is sent, so the fingerprint always matches the request.
 */
export type FilterValue =
  | string
  | number
  | boolean
  | null
  | readonly FilterValue[]
  | { readonly [key: string]: FilterValue }
export type Filters = { readonly [key: string]: FilterValue }

export interface SearchRequest {
  readonly query: string
  /** Tracks wanted, 1–100. */
  readonly limit: number
  readonly offset: number
  /** Absent when there are none. Unknown filters are passed through. */
  readonly filters?: Filters
}

/** API document, POST /search: "limit number 1–100, default 20 · offset number, default 0". */
export const DEFAULT_LIMIT = 20
export const MAX_LIMIT = 100

export function canonicalRequest(input: {
  query: string
  limit?: number | undefined
  offset?: number | undefined
  filters?: Filters | undefined
}): SearchRequest {
  const base = {
    query: input.query.normalize('NFC').replace(/\s+/gu, ' ').trim(),
    limit: input.limit ?? DEFAULT_LIMIT,
    offset: input.offset ?? 0,
  }
  const filters = input.filters === undefined ? {} : canonicalFilters(input.filters)
  return Object.keys(filters).length === 0 ? base : { ...base, filters }
}

/** The search's identity: the first 128 bits of SHA-256 over the canonical form, as 32 hex digits. */
export function fingerprint(request: SearchRequest): string {
  const { query, limit, offset, filters } = request
  const text = JSON.stringify(filters === undefined ? [query, limit, offset] : [query, limit, offset, filters])
  return hash('sha256', text, 'hex').slice(0, 32)
}

/** The documented filters that are lists: they name what is wanted, in no order. */
const UNORDERED = ['genres', 'moods']

function canonicalFilters(filters: Filters): Filters {
  const canonical: Record<string, FilterValue> = sortKeys(filters)
  for (const name of UNORDERED) {
    const value = canonical[name]
    if (value !== undefined && isList(value)) canonical[name] = sortValues(value)
  }
  return canonical
}

function sortValues(list: readonly FilterValue[]): readonly FilterValue[] {
  const byText = new Map(list.map((value) => [JSON.stringify(value), value]))
  return [...byText.keys()].sort().map((text) => byText.get(text) as FilterValue)
}

function canonicalValue(value: FilterValue): FilterValue {
  if (typeof value === 'string') return value.normalize('NFC')
  if (isList(value)) return value.map(canonicalValue)
  if (value !== null && typeof value === 'object') return sortKeys(value)
  return value
}

function isList(value: FilterValue): value is readonly FilterValue[] {
  return Array.isArray(value)
}

function sortKeys(filters: Filters): Filters {
  const keys = Object.keys(filters).sort()
  return Object.fromEntries(keys.map((key) => [key, canonicalValue(filters[key] as FilterValue)]))
}

/** One row of a catalog, ready for the store: a request, or the problem with the row. */
export interface LoadedRow {
  /** From 1, in input order, without gaps. */
  readonly position: number
  /** The line in the file where the row begins, from 1; the header and quoted line breaks count. Null: not from a file. */
  readonly line: number | null
  /** The user's own id; null where there is no id column, or nothing in it. */
  readonly key: string | null
  /** The row as read, always valid JSON: an array of cells (CSV), the object (JSONL), or a string (invalid JSONL line). */
  readonly row: string
  /** Null exactly when `problem` is not. */
  readonly request: { readonly fingerprint: string; readonly request: SearchRequest } | null
  /** "line 17: expected … found …", "row 17: …" where it is not from a file. */
  readonly problem: string | null
}

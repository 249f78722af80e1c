import { UsageError } from '../domain/errors.js'
import type { SearchRequest } from '../domain/request.js'
import type { SearchRef } from '../domain/search-id.js'
import type { SearchState } from '../domain/states.js'
import type { Queries, SqlParameters, Transaction } from './engine.js'

/** The three columns that make a ref. */
export interface RefColumns {
  readonly fingerprint: Buffer
  readonly generation: number
  readonly round: number
}

export function refOf(row: RefColumns): SearchRef {
  return { fingerprint: row.fingerprint.toString('hex'), generation: row.generation, round: row.round }
}

export function fingerprintBytes(fingerprint: string): Buffer {
  return Buffer.from(fingerprint, 'hex')
}

/** What tells users which search it is. */
export interface NameColumns {
  readonly fingerprint: Buffer
  readonly generation: number
  readonly request: string
}

/** As users see it: the generation is omitted for the first one. */
export function namesOf(row: NameColumns): { readonly search: string; readonly query: string } {
  const digits = row.fingerprint.toString('hex')
  const search = row.generation === FIRST_GENERATION ? digits : `${digits}-${row.generation}`
  return { search, query: queryOf(row) }
}

/** Of its stored request. */
export function queryOf({ request }: { readonly request: string }): string {
  return (JSON.parse(request) as SearchRequest).query
}

export const FIRST_GENERATION = 1

/** A common table expression with the rows of `@refs`, for `refsAsJson`. */
export const REF_TABLE_SQL = 'ref (fingerprint, generation, round) as materialized ($refs(@refs))'

/** A condition over `search` and `ref`: it is in exactly that round. */
export const IS_IN_REF_TABLE_SQL =
  'search.fingerprint = ref.fingerprint and search.generation = ref.generation and search.round = ref.round'

export function refsAsJson(refs: readonly SearchRef[]): string {
  return JSON.stringify(refs.map(({ fingerprint, generation, round }) => [fingerprint, generation, round]))
}

/** The searches in exactly these rounds and one of these states, by one query. */
export function searchesAmong(
  tx: Transaction,
  refs: readonly SearchRef[],
  states: readonly SearchState[],
): Promise<(RefColumns & { readonly id: number; readonly state: SearchState })[]> {
  return tx.all(
    `with ${REF_TABLE_SQL}
     select search.id, search.state, search.fingerprint, search.generation, search.round
     from ref $next() search on ${IS_IN_REF_TABLE_SQL} and $among(search.state, @states)`,
    { refs: refsAsJson(refs), states },
  )
}

export function idsOf(rows: readonly { readonly id: number }[]): readonly number[] {
  return rows.map(({ id }) => id)
}

/** `next` is where the next page begins. Null: this is the last one. */
export interface RefPage {
  readonly refs: readonly SearchRef[]
  readonly next: number | null
}

/**
 * A page of refs by internal id.
 * @param from the clauses `from` and `where`, for the parameters, which include `@limit`
 */
export async function refPage(
  tx: Transaction,
  from: string,
  parameters: SqlParameters & { readonly limit: number },
): Promise<RefPage> {
  const rows = await tx.all<RefColumns & { id: number }>(
    `select id, fingerprint, generation, round ${from} order by id limit @limit`,
    parameters,
  )
  return { refs: rows.map(refOf), next: rows.length < parameters.limit ? null : (rows.at(-1)?.id ?? null) }
}

/**
 * How a user names a search: a fingerprint or a prefix of it, and `-<generation>` for one
 * generation.
 */
export interface SearchName {
  readonly from: Buffer
  readonly to: Buffer
  readonly generation: number | null
}

const FINGERPRINT_DIGITS = 32
const FEWEST_DIGITS = 6

/** Null: this is no prefix of a fingerprint. */
export function parseSearchName(text: string): SearchName | null {
  const match = /^([0-9a-f]{6,32})(?:-(\d{1,9}))?$/i.exec(text.trim())
  if (match === null) return null
  const [, digits = '', generation] = match
  return {
    from: fingerprintBytes(digits.padEnd(FINGERPRINT_DIGITS, '0')),
    to: fingerprintBytes(digits.padEnd(FINGERPRINT_DIGITS, 'f')),
    generation: generation === undefined ? null : Number(generation),
  }
}

/**
 * The search with that name, in its latest generation unless one is given. Null: none. Throws
 * `UsageError` when several match.
 */
export async function searchNamed(tx: Queries, text: string): Promise<number | null> {
  const name = parseSearchName(text)
  return name === null ? null : onlyMatch(tx, text, name)
}

/**
 * The same, among the searches with a condition.
 * @param name of this text
 */
export async function onlyMatch(tx: Queries, text: string, name: SearchName, among = 'true'): Promise<number | null> {
  const fits = await tx.all<{ id: number }>(
    `select max(id) as id from search where ${MATCHES_NAME_SQL} and ${among} group by fingerprint limit 2`,
    { ...name },
  )
  if (fits.length > 1)
    throw new UsageError(`More than one search begins with "${text}". Give more digits of the fingerprint.`)
  return fits[0]?.id ?? null
}

/** A condition over `search`, for the parameters of a `SearchName`. */
export const MATCHES_NAME_SQL = `search.fingerprint between @from and @to
  and (cast(@generation as bigint) is null or search.generation = @generation)`

/** Throws `UsageError` when it is no prefix of a fingerprint. */
export function requireSearchName(text: string): SearchName {
  const name = parseSearchName(text)
  if (name !== null) return name
  throw new UsageError(
    `Expected a search's fingerprint or its first digits (${FEWEST_DIGITS} or more of 0-9 and a-f), found "${text}".`,
  )
}

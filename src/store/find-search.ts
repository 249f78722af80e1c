import type { SelectQueryBuilder } from 'kysely'
import { UsageError } from '../domain/errors.js'
import type { Connection } from './connection.js'
import type { Schema } from './schema.js'
import { fingerprintBytes } from './search-ref.js'

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
export const FEWEST_DIGITS = 6

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
export function searchNamed(connection: Connection, text: string): number | null {
  const name = parseSearchName(text)
  if (name === null) return null
  const fits = connection.all<{ fingerprint: Buffer; id: number }>(
    `select id, fingerprint, max(generation) from search
     where fingerprint between @from and @to and (@generation is null or generation = @generation)
     group by fingerprint limit 2`,
    { from: name.from, to: name.to, generation: name.generation },
  )
  if (fits.length > 1)
    throw new UsageError(`More than one search begins with "${text}". Give more digits of the fingerprint.`)
  return fits[0]?.id ?? null
}

/**
 * Restricts a query over `search` to those with that name. Throws `UsageError` when it is not a
 * valid name.
 */
export function whereNamed<Row>(
  query: SelectQueryBuilder<Schema, 'search', Row>,
  text: string,
): SelectQueryBuilder<Schema, 'search', Row> {
  const name = parseSearchName(text)
  if (name === null)
    throw new UsageError(
      `Expected a search's fingerprint or its first digits (${FEWEST_DIGITS} or more of 0-9 and a-f), got "${text}".`,
    )
  const within = query.where('search.fingerprint', '>=', name.from).where('search.fingerprint', '<=', name.to)
  return name.generation === null ? within : within.where('search.generation', '=', name.generation)
}

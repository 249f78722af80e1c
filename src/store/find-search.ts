import { UsageError } from '../domain/errors.js'
import type { Transaction } from './connection.js'
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
export async function searchNamed(tx: Transaction, text: string): Promise<number | null> {
  const name = parseSearchName(text)
  if (name === null) return null
  const fits = await tx.all<{ id: number }>(
    `select max(id) as id from search where ${MATCHES} group by fingerprint limit 2`,
    { ...name },
  )
  if (fits.length > 1)
    throw new UsageError(`More than one search begins with "${text}". Give more digits of the fingerprint.`)
  return fits[0]?.id ?? null
}

/** A condition over `search`, for the parameters of a `SearchName`. */
export const MATCHES = `search.fingerprint between @from and @to
  and (cast(@generation as bigint) is null or search.generation = @generation)`

/** Throws `UsageError` when it is no prefix of a fingerprint. */
export function requireSearchName(text: string): SearchName {
  const name = parseSearchName(text)
  if (name !== null) return name
  throw new UsageError(
    `Expected a search's fingerprint or its first digits (${FEWEST_DIGITS} or more of 0-9 and a-f), got "${text}".`,
  )
}

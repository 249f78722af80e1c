import type { SearchRef } from '../domain/search-id.js'
import type { SqlParameters, Transaction } from './connection.js'

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

/** As users see it: the generation is omitted for the first one. */
export function searchName(row: { readonly fingerprint: Buffer; readonly generation: number }): string {
  const digits = row.fingerprint.toString('hex')
  return row.generation === FIRST_GENERATION ? digits : `${digits}-${row.generation}`
}

export const FIRST_GENERATION = 1

/** A condition over `search`: it is in exactly this round. For `refParameters`. */
export const IS_REF = `search.fingerprint = @fingerprint and search.generation = @generation and search.round = @round`

/** `@fingerprint`, `@generation` and `@round`. */
export function refParameters({ fingerprint, generation, round }: SearchRef) {
  return { fingerprint: fingerprintBytes(fingerprint), generation, round }
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

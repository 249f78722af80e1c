import type { SearchRef } from '../domain/search-id.js'
import type { Connection } from './connection.js'

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

/** The internal id of a search in exactly this round. Undefined: there is none. */
export function idInRound(connection: Connection, ref: SearchRef): number | undefined {
  return connection.get<{ id: number }>(
    'select id from search where fingerprint = ? and generation = ? and round = ?',
    [fingerprintBytes(ref.fingerprint), ref.generation, ref.round],
  )?.id
}

import { parseTracks } from '../domain/answer.js'
import type { Track } from '../domain/outcome.js'
import type { RowStatus } from '../domain/states.js'
import { deriveTags, type Tags } from '../domain/tags.js'
import type { ExportRow } from '../store/store.js'

/** A row of the record with its answer read and its tags derived: what both formats write down. */
export interface ExportedRow {
  readonly position: number
  readonly key: string | null
  readonly status: RowStatus
  /** Null unless `tagged`. */
  readonly tags: Tags | null
  /** In the order of the answer; empty unless `tagged`. */
  readonly tracks: readonly Track[]
  readonly error: string | null
  /** The row as read, JSON. */
  readonly row: string
}

/** One format: the same rows in one of its spellings. Every line ends in a line feed. */
export interface LineWriter {
  /** Empty where the format has none. */
  readonly header: string
  lines(rows: readonly ExportedRow[]): string
}

export function exportedRow({ position, key, status, answer, error, row }: ExportRow): ExportedRow {
  const tracks = answer === null || status !== 'tagged' ? [] : parseTracks(answer)
  if (tracks === null) {
    return { position, key, status, tags: null, tracks: [], error: error ?? 'The stored answer cannot be read', row }
  }
  return { position, key, status, tags: tracks.length === 0 ? null : deriveTags(tracks), tracks, error, row }
}

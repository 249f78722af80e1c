import { Writable } from 'node:stream'
import { type ExportOrder, exportBatch } from '../../src/catalog/export/export-batch.js'
import type { RowStatus } from '../../src/domain/states.js'
import type { ExportRow } from '../../src/store/store.js'

export const csvBatch: ExportOrder['batch'] = {
  name: 'films',
  format: 'csv',
  delimiter: ',',
  byteOrderMark: false,
  quoting: 'csv',
  preamble: '',
  columns: ['id', 'title'],
}

/** An answer's body with that many tracks, as the API would send it. */
export function answer(tracks: number): string {
  return JSON.stringify({
    tracks: Array.from({ length: tracks }, (_, index) => ({
      id: `trk_${index + 1}`,
      title: `Song ${index + 1}`,
      artist: 'Ada, "the Quiet"',
      bpm: 100 + index,
      key: 'A minor',
      genre: 'ambient',
      subgenres: ['drone', 'dub'],
      moods: ['calm'],
      instruments: [],
      has_vocals: false,
      energy_level: 'low',
    })),
    credits_remaining: 7,
  })
}

export function exportRow(
  position: number,
  cells: readonly string[] | string,
  facts: Partial<ExportRow> = {},
): ExportRow {
  const status: RowStatus = 'tagged'
  return {
    position,
    key: `id ${position}`,
    row: typeof cells === 'string' ? cells : JSON.stringify(cells),
    status,
    tagging: null,
    answer: (facts.status ?? status) === 'tagged' ? answer(2) : null,
    error: null,
    ...facts,
  }
}

export async function* each(rows: readonly ExportRow[]): AsyncGenerator<ExportRow, void, undefined> {
  yield* rows
}

/** The whole export, written to a stream instead of a file. */
export async function exportText(
  rows: readonly ExportRow[],
  batch: ExportOrder['batch'],
  format: ExportOrder['format'],
): Promise<string> {
  const written: string[] = []
  const out = new Writable({
    write(chunk, _encoding, done) {
      written.push(String(chunk))
      done()
    },
  })
  await exportBatch({ rows: each(rows), batch, format, out })
  return written.join('')
}

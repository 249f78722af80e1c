import type { RowStatus } from '../../src/domain/states.js'
import type { ExportRow } from '../../src/store/store.js'

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

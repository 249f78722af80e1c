import type { Tags } from '../domain/tags.js'
import type { Batch } from '../store/store.js'
import type { ExportedRow, LineWriter } from './exported-row.js'

/**
 * Rows as JSON lines: `{ position, id, status, tags, tracks: [ids], error, row }`. `row` is the input's
 * own: the object of a JSONL row as it was written; a CSV row as an object of its columns, or as the
 * list of its cells where it has more of them than there are columns.
 */
export function jsonlWriter(batch: Pick<Batch, 'format' | 'columns'>): LineWriter {
  const names = keysOf(batch.columns)
  const rowText = batch.format === 'csv' ? (row: string) => namedCells(row, names) : (row: string) => row
  return { header: '', lines: (rows) => rows.map((row) => line(row, rowText(row.row))).join('') }
}

/** The row is JSON already and goes in as text: nothing about it changes, not even the order of its keys. */
function line({ position, key, status, tags, tracks, error }: ExportedRow, row: string): string {
  const facts = {
    position,
    id: key,
    status,
    tags: tags === null ? null : documented(tags),
    tracks: tracks.map((track) => track.id),
    error,
  }
  return `${JSON.stringify(facts).slice(0, -1)},"row":${row}}\n`
}

function documented({ genre, subgenres, moods, instruments, bpm, key, energyLevel, hasVocals }: Tags) {
  return { genre, subgenres, moods, instruments, bpm, key, energy_level: energyLevel, has_vocals: hasVocals }
}

/** A key for each column: a nameless or repeated one gets its number, so that no cell hides another. */
function keysOf(columns: readonly string[]): readonly string[] {
  const used = new Set<string>()
  return columns.map((column, index) => {
    const name = column.trim()
    let key = name === '' ? `column ${index + 1}` : used.has(name) ? `${name} (column ${index + 1})` : name
    while (used.has(key)) key += '_'
    used.add(key)
    return JSON.stringify(key)
  })
}

function namedCells(row: string, names: readonly string[]): string {
  const cells: unknown = JSON.parse(row)
  if (!Array.isArray(cells) || cells.slice(names.length).some((cell) => String(cell).trim() !== '')) return row
  return `{${names.map((name, index) => `${name}:${JSON.stringify(cells[index] ?? '')}`).join(',')}}`
}

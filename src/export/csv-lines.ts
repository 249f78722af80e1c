import { stringify } from 'csv-stringify/sync'
import type { Batch } from '../store/store.js'
import type { ExportedRow, LineWriter } from './exported-row.js'
import { isOurs, OUR_PREFIX } from './our-columns.js'
import { spreadsheetSafe } from './spreadsheet-safe.js'

/** By it Excel knows UTF-8; other programs may take it for text, so it leaves only where it came in. */
const BYTE_ORDER_MARK = '\uFEFF'

const OUR_COLUMNS = [
  'status',
  'genre',
  'subgenres',
  'moods',
  'instruments',
  'bpm',
  'key',
  'energy_level',
  'has_vocals',
  'track_ids',
  'top_track_id',
  'top_track_title',
  'top_track_artist',
  'error',
].map((name) => OUR_PREFIX + name)

/**
 * Rows as CSV: the user's own columns first, then ours, all named `trackyard_…`. Columns of that name
 * in the input are those of an earlier export and are left out. Every line has the same width: a row
 * that was too short is filled up, the surplus cells of one that was too long are joined into the last
 * column, so that nothing is lost. A JSONL batch has no columns of its own; it gets `position`, `id`
 * and `row` (its JSON). Where the catalog began with a byte order mark, so does this.
 */
export function csvWriter(batch: Pick<Batch, 'format' | 'delimiter' | 'byteOrderMark' | 'columns'>): LineWriter {
  const delimiter = batch.delimiter ?? ','
  const line = (records: readonly (readonly string[])[]) => stringify([...records], { delimiter })
  const isCsv = batch.format === 'csv'
  const kept = [...batch.columns.keys()].filter((index) => !isOurs(batch.columns[index] ?? ''))
  const width = batch.columns.length
  const header = isCsv ? kept.map((index) => batch.columns[index] ?? '') : ['position', 'id', 'row']
  const theirs = isCsv
    ? (row: ExportedRow) => pick(fitted(cellsOf(row.row), width, delimiter), kept)
    : (row: ExportedRow) => [String(row.position), row.key ?? '', row.row]
  return {
    header: (batch.byteOrderMark ? BYTE_ORDER_MARK : '') + line([[...header, ...OUR_COLUMNS].map(spreadsheetSafe)]),
    lines: (rows) => line(rows.map((row) => [...theirs(row), ...ourCells(row)].map(spreadsheetSafe))),
  }
}

function cellsOf(row: string): string[] {
  const cells: unknown = JSON.parse(row)
  return Array.isArray(cells) ? cells.map(String) : [row]
}

function fitted(cells: string[], width: number, delimiter: string): string[] {
  if (cells.length <= width) return cells
  return [...cells.slice(0, width - 1), cells.slice(width - 1).join(delimiter)]
}

function pick(cells: readonly string[], indexes: readonly number[]): string[] {
  return indexes.map((index) => cells[index] ?? '')
}

function ourCells({ status, tags, tracks, error }: ExportedRow): string[] {
  const top = tracks[0]
  return [
    status,
    tags?.genre ?? '',
    list(tags?.subgenres),
    list(tags?.moods),
    list(tags?.instruments),
    String(tags?.bpm ?? ''),
    tags?.key ?? '',
    tags?.energyLevel ?? '',
    String(tags?.hasVocals ?? ''),
    list(tracks.map((track) => track.id)),
    top?.id ?? '',
    top?.title ?? '',
    top?.artist ?? '',
    error ?? '',
  ]
}

function list(words: readonly string[] | undefined): string {
  return words === undefined ? '' : words.join('; ')
}

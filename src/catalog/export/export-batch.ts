import type { Writable } from 'node:stream'
import { NEVER_ABORTED, orAborted } from '../../domain/abortable.js'
import { readAnswer } from '../../domain/answer.js'
import { ROW_STATUSES, type RowStatus } from '../../domain/states.js'
import type { Tagging, Tags } from '../../domain/tags.js'
import type { Batch, ExportRow } from '../../store/store.js'
import { isExportColumn, OUR_COLUMNS } from '../column-names.js'
import { GUARD_COLUMN, guardFormula } from '../formula-cell.js'
import { type FileKind, openTarget, type Spared } from './export-target.js'

export interface ExportOrder {
  /** In input order. */
  readonly rows: AsyncIterable<ExportRow>
  readonly batch: Pick<Batch, 'name' | 'format' | 'delimiter' | 'byteOrderMark' | 'quoting' | 'preamble' | 'columns'>
  readonly format: 'csv' | 'jsonl'
  /** For CSV: guard all cells, the user's own too, so that none runs as a formula. */
  readonly spreadsheetSafe?: boolean | undefined
  /** A path, or a stream that somebody else closes (standard output). */
  readonly out: string | Writable
  /** Default: no file is. */
  readonly spared?: Spared | undefined
  /** Stops the export, leaves no file, and throws the signal's reason. */
  readonly signal?: AbortSignal | undefined
}

export interface ExportResult {
  readonly rows: number
  readonly byStatus: Readonly<Record<RowStatus, number>>
  /** Null when it went to a stream. */
  readonly path: string | null
}

const ROWS_PER_WRITE = 256
/** A row may be long. */
const CHARACTERS_PER_WRITE = 1024 * 1024

/**
 * Writes every row of the batch, in input order, with its status and its tags. Rows are read from the store
 * and written a few hundred at a time, and each write is awaited, so memory stays flat however slow the disk
 * or the pipe. Each row becomes text at once: a parsed answer is two hundred objects, too many to keep.
 * @throws UsageError where the file cannot be written; the signal's reason when it was stopped
 */
export async function exportBatch({
  rows,
  batch,
  format,
  spreadsheetSafe,
  out,
  spared = { batches: [] },
  signal = NEVER_ABORTED,
}: ExportOrder): Promise<ExportResult> {
  signal.throwIfAborted()
  const writer = format === 'csv' ? csvWriter(batch, spreadsheetSafe === true) : jsonlWriter(batch)
  const target = await openTarget(out, spared, signal)
  const byStatus = Object.fromEntries(ROW_STATUSES.map((status) => [status, 0])) as Record<RowStatus, number>
  let count = 0
  let lines: string[] = []
  let characters = 0
  // A pipe that nobody reads may never take the text: the signal ends the wait.
  const write = async (text: string) => {
    signal.throwIfAborted()
    if (text !== '') await orAborted(target.write(text), signal)
  }
  const flush = async () => {
    const text = lines.join('')
    lines = []
    characters = 0
    await write(text)
  }
  try {
    await write(writer.header)
    for await (const row of rows) {
      signal.throwIfAborted()
      const text = writer.line(exportedRow(row))
      lines.push(text)
      characters += text.length
      byStatus[row.status]++
      count++
      if (lines.length === ROWS_PER_WRITE || characters >= CHARACTERS_PER_WRITE) await flush()
    }
    await flush()
    signal.throwIfAborted()
    await target.finish()
  } catch (error) {
    await target.abandon()
    throw error
  }
  return { rows: count, byStatus, path: target.path }
}

/** In CSV other lines and columns come first. */
export const EXPORT_FILE: FileKind = {
  name: 'an export',
  start: new RegExp(`^\\{"position":\\d+,"id":|${OUR_COLUMNS.map((name) => `"?${name}"?`).join('.')}`, 's'),
}

/** What both formats write of a row. */
export interface ExportedRow {
  readonly position: number
  readonly key: string | null
  readonly status: RowStatus
  /** Null unless `tagged`. */
  readonly tagging: Tagging | null
  readonly error: string | null
  /** The row as read, JSON. */
  readonly row: string
}

/** Writes rows in one format. Every line ends in a line feed. */
interface LineWriter {
  /** Empty where the format has none. */
  readonly header: string
  line(row: ExportedRow): string
}

/** Uses the stored tags, or derives them from the answer if none are stored or an older rule made them. */
export function exportedRow(stored: ExportRow): ExportedRow {
  const { position, key, status, error, row } = stored
  if (status !== 'tagged') return { position, key, status, tagging: null, error, row }
  const kept: Tagging | null = stored.tagging === null ? null : JSON.parse(stored.tagging)
  const tagging = kept ?? readAnswer(stored.answer ?? '')?.tagging ?? null
  const problem = tagging === null ? 'The stored answer cannot be read' : null
  return { position, key, status, tagging, error: error ?? problem, row }
}

/** Excel needs it to detect UTF-8; other programs may read it as text. So an export of a plain UTF-8 catalog has none. */
const BYTE_ORDER_MARK = '\uFEFF'

/**
 * Rows as CSV: the user's columns first, then ours. Columns of these names in the input come from an earlier
 * export and are left out. The user's cells, header and lines before it are unchanged, in the catalog's own
 * dialect. Our cells come from the API, so they are guarded against formulas.
 * With `spreadsheetSafe` all cells are, and a column of that name says so: submitting that file undoes it.
 *
 * Every line has the same width. A short row is padded, and the surplus cells of a long one are joined into
 * the last column, so that nothing is lost. A JSONL batch has no columns; it gets `position`, `id` and `row`
 * (its JSON). A byte order mark of the catalog is kept.
 */
function csvWriter(
  batch: Pick<Batch, 'format' | 'delimiter' | 'byteOrderMark' | 'quoting' | 'preamble' | 'columns'>,
  spreadsheetSafe: boolean,
): LineWriter {
  const delimiter = batch.delimiter ?? ','
  const line = batch.quoting === 'none' ? plainLine(delimiter) : quotedLine(delimiter)
  const isCsv = batch.format === 'csv'
  const kept = [...batch.columns.keys()].filter((index) => !isExportColumn(batch.columns[index] ?? ''))
  const width = batch.columns.length
  const own = spreadsheetSafe ? guardFormula : (cell: string) => cell
  const header = isCsv ? kept.map((index) => own(batch.columns[index] ?? '')) : ['position', 'id', 'row']
  const theirs = isCsv
    ? (row: ExportedRow) => {
        const cells = cellsOf(row.row)
        return isLong(cells, width) ? joinSurplus(cells, kept.length, delimiter) : pick(cells, kept)
      }
    : (row: ExportedRow) => [String(row.position), row.key ?? '', row.row]
  const added = spreadsheetSafe ? [...OUR_COLUMNS, GUARD_COLUMN] : OUR_COLUMNS
  const preamble = isCsv ? batch.preamble : ''
  return {
    header: (batch.byteOrderMark ? BYTE_ORDER_MARK : '') + preamble + line([...header, ...added]),
    line: (row) => {
      const cells = spreadsheetSafe ? theirs(row).map(guardFormula) : theirs(row)
      for (const cell of ourCells(row)) cells.push(guardFormula(cell))
      if (spreadsheetSafe) cells.push('true')
      return line(cells)
    },
  }
}

type Line = (cells: readonly string[]) => string

/**
 * A lone CR ends a row for some programs, so a cell with one is quoted. In a TSV every cell is quoted: TSV
 * has no quoting of its own, so only this tells a reader that this file has.
 */
function quotedLine(delimiter: string): Line {
  const isTsv = delimiter === '\t'
  const special = new RegExp(`["\\r\\n${delimiter.replace(/[\\\]^-]/, '\\$&')}]`)
  const quoted = (cell: string) => (isTsv || special.test(cell) ? `"${cell.split('"').join('""')}"` : cell)
  return (cells) => `${cells.map(quoted).join(delimiter)}\n`
}

/** Without quoting no cell of the catalog contains a separator or a line end; one of ours may. */
function plainLine(delimiter: string): Line {
  const plain = (cell: string) => cell.replaceAll(delimiter, ' ').replace(/[\r\n]+/g, ' ')
  return (cells) => `${cells.map(plain).join(delimiter)}\n`
}

function cellsOf(row: string): string[] {
  const cells: unknown = JSON.parse(row)
  return Array.isArray(cells) ? cells.map(String) : [row]
}

/** Empty cells at the end do not count: spreadsheets add some. */
function isLong(cells: readonly string[], width: number): boolean {
  return cells.slice(width).some((cell) => cell.trim() !== '')
}

/** Nobody can tell in which column the row became too long, so an earlier export's cells are kept too. */
function joinSurplus(cells: readonly string[], width: number, delimiter: string): string[] {
  return width === 0 ? [] : [...cells.slice(0, width - 1), cells.slice(width - 1).join(delimiter)]
}

function pick(cells: readonly string[], indexes: readonly number[]): string[] {
  return indexes.map((index) => cells[index] ?? '')
}

function ourCells({ status, tagging, error }: ExportedRow): string[] {
  if (tagging === null) return [status, ...NO_TAGS, error ?? '']
  const { tags, tracks, topTitle, topArtist } = tagging
  return [
    status,
    tags.genre ?? '',
    tags.subgenres.join('; '),
    tags.moods.join('; '),
    tags.instruments.join('; '),
    String(tags.bpm ?? ''),
    tags.key ?? '',
    tags.energyLevel ?? '',
    String(tags.hasVocals ?? ''),
    tracks.join('; '),
    tracks[0] ?? '',
    topTitle ?? '',
    topArtist ?? '',
    error ?? '',
  ]
}

/** Between status and error. */
const NO_TAGS = OUR_COLUMNS.slice(1, -1).map(() => '')

/**
 * Rows as JSON lines: `{ position, id, status, tags, tracks: [ids], error, row }`. `row` is the input: the
 * text of a JSONL row; a CSV row as an object by column, or as a list of cells if it has more cells than
 * there are columns.
 */
function jsonlWriter(batch: Pick<Batch, 'format' | 'columns'>): LineWriter {
  const rowText = rowTexts(batch)
  return { header: '', line: (row) => jsonLine(row, rowText(row.row)) }
}

/** Returns a function that turns a stored row into the JSON text for an export. */
export function rowTexts(batch: Pick<Batch, 'format' | 'columns'>): (row: string) => string {
  if (batch.format === 'jsonl') return (row) => row
  const names = keysOf(batch.columns)
  return (row) => namedCells(row, names)
}

/** The row is JSON already and is inserted as text, so that not even the order of its keys changes. */
function jsonLine({ position, key, status, tagging, error }: ExportedRow, row: string): string {
  const facts = {
    position,
    id: key,
    status,
    tags: tagging === null ? null : tagsJson(tagging.tags),
    tracks: tagging?.tracks ?? [],
    error,
  }
  return `${JSON.stringify(facts).slice(0, -1)},"row":${row}}\n`
}

export function tagsJson({ genre, subgenres, moods, instruments, bpm, key, energyLevel, hasVocals }: Tags) {
  return { genre, subgenres, moods, instruments, bpm, key, energy_level: energyLevel, has_vocals: hasVocals }
}

/** A key for each column. A nameless or repeated one gets its number, so that no cell replaces another. */
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

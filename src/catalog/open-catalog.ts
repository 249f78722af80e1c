import { extname } from 'node:path'
import { CatalogError } from '../domain/errors.js'
import { type Catalog, FILE_WORDS, type OpenedText, type RawRow } from './catalog.js'
import { isOfExport, rowInside } from './export-rows.js'
import { createScanner } from './json-scanner.js'
import { jsonShape, listInObject, listPath } from './json-shape.js'
import { readJsonValues } from './json-values.js'
import { readJsonl } from './jsonl-rows.js'
import { requireCatalog } from './not-catalog.js'
import { type CsvOptions, openCsv } from './open-csv.js'
import { firstRows, startingWith, withBadLines } from './row-chunks.js'
import { type CatalogSource, openSource } from './source.js'
import { openText, type TextSource } from './text.js'

/**
 * Opens the user's file and detects what can be known before the rows are read: its encoding, its format, its
 * delimiter, its columns, and that it has at least one row. Anything that is not a catalog is refused here,
 * with its kind and the next step, before anything is written to the store.
 */
export interface CatalogOptions extends CsvOptions {
  /** Default: detected from the file's name, or from the first characters. */
  readonly format?: 'csv' | 'jsonl' | undefined
  /** A name such as "windows-1251". Default: that of the byte order mark, else UTF-8. */
  readonly encoding?: string | undefined
}

/** How many rows of a JSONL catalog are read to learn its keys. */
const SAMPLE_ROWS = 100

/** @throws CatalogError when the source is not a catalog */
export async function openCatalog(source: CatalogSource, options: CatalogOptions = {}): Promise<Catalog> {
  const { name, chunks, close } = await openSource(source)
  try {
    const text = await openText(chunks, name, options.encoding)
    const head = text.head.subarray(0, 64 * 1024).toString('utf8')
    if (head === '') throw new CatalogError(`${name}: expected a catalog, found an empty file.`)
    if (head.trim() === '') throw new CatalogError(`${name}: expected a catalog, found only white space.`)
    requireCatalog(head, name)
    const plainName = name.replace(/\.gz$/i, '')
    const opened =
      (options.format ?? sniffFormat(plainName, head)) === 'csv'
        ? await openCsv(text, name, options)
        : await openJson(text, name)
    const { byteOrderMark } = text
    return {
      name,
      words: FILE_WORDS,
      byteOrderMark,
      ...opened,
      notes: [...text.notes, ...opened.notes],
      rows: once(opened.chunks, close),
      close,
    }
  } catch (error) {
    close()
    throw error
  }
}

async function openJson(text: TextSource, name: string): Promise<OpenedText> {
  const head = text.head.toString('utf8')
  const shape = jsonShape(head)
  if (shape === 'values') requireRows(head, name)
  const all = shape === 'lines' ? readJsonl(text.pieces) : readJsonValues(text.pieces, shape === 'list')
  const asWritten = withBadLines(all, text.badLines)
  const first = await firstRows(asWritten, SAMPLE_ROWS)
  const isExport = first.length > 0 && first.every(isOfExport)
  const rows = isExport ? first.map(rowInside) : first
  const chunks = isExport ? rowsInside(asWritten) : asWritten
  const names = new Set<string>()
  let objects = 0
  for (const row of rows.slice(0, SAMPLE_ROWS)) {
    if (row.kind !== 'object') continue
    objects++
    for (const key of Object.keys(row.value)) names.add(key)
  }
  if (objects === 0) {
    const expected = shape === 'lines' ? 'one JSON object per line' : 'a list of JSON objects'
    throw new CatalogError(
      `${name}: expected ${expected}, found ${rows.length === 0 ? 'an empty list' : foundInstead(rows)}.`,
    )
  }
  return {
    format: 'jsonl',
    delimiter: null,
    quoting: 'csv',
    preamble: '',
    columns: [],
    names: [...names],
    notes: isExport ? [...SHAPE_NOTES[shape], 'the rows in an export'] : SHAPE_NOTES[shape],
    chunks: startingWith(rows, chunks),
  }
}

async function* rowsInside(chunks: AsyncIterable<RawRow[]>): AsyncGenerator<RawRow[], void, undefined> {
  for await (const chunk of chunks) yield chunk.map(rowInside)
}

const SHAPE_NOTES = { lines: [], list: ['a JSON list'], values: ['JSON objects over several lines'] } as const

function foundInstead(rows: readonly RawRow[]): string {
  const among = Math.min(rows.length, SAMPLE_ROWS)
  return among === 1 ? 'none' : `none among the first ${among}`
}

/** An object that does not end within the head is the whole file, not a row. */
function requireRows(head: string, name: string): void {
  const path = createScanner(head.search(/\S/), true).scan(head).kind === 'more' ? listPath(head) : null
  if (path !== null) throw listInObject(name, path)
}

/** The rows one by one. Closes the file after the last one, or when the reader stops. */
function once(chunks: AsyncIterable<RawRow[]>, close: () => void): () => AsyncIterable<RawRow> {
  let used = false
  return async function* () {
    if (used) throw new Error('The rows of a catalog can be read once')
    used = true
    try {
      for await (const chunk of chunks) yield* chunk
    } finally {
      close()
    }
  }
}

/**
 * Detects the format from the file's name, or from its first characters if the name does not say.
 */
function sniffFormat(name: string, head: string): 'csv' | 'jsonl' {
  switch (extname(name).toLowerCase()) {
    case '.csv':
    case '.tsv':
    case '.tab':
      // No CSV header begins like a JSON object with its first key.
      return /^\s*\[?\s*\{\s*"[^"\n]*"\s*:/.test(head) ? 'jsonl' : 'csv'
    case '.jsonl':
    case '.ndjson':
    case '.json':
      return 'jsonl'
    default:
      return /^\s*(\{|\[\s*[{\]])/.test(head) ? 'jsonl' : 'csv'
  }
}

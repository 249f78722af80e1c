import { UsageError } from '../domain/errors.js'
import { withBadLines } from './bad-lines.js'
import { readBlocks } from './blocks.js'
import type { Catalog, RawRow } from './catalog.js'
import { readCsv } from './csv-rows.js'
import { requireHeader } from './header.js'
import { readJsonl } from './jsonl-rows.js'
import { sniffDelimiter, sniffFormat } from './sniff.js'
import { type CatalogSource, openSource, shellWord } from './source.js'
import { openText, type TextSource } from './text.js'

/**
 * Opens the user's file and understands as much of it as can be known before the rows: that it is
 * text, its format, its delimiter, its columns, and that it has a row at all. What is not a catalog
 * is refused here, by name and with the next step, before anything is written anywhere.
 */
export interface CatalogOptions {
  /** By default told by the name, or by the first characters. */
  readonly format?: 'csv' | 'jsonl' | undefined
  /** By default told by the header. */
  readonly delimiter?: string | undefined
  /** A name such as "windows-1251". By default told by the byte order mark, else UTF-8. */
  readonly encoding?: string | undefined
}

/** How many rows of a JSONL catalog are looked at to learn its keys. */
const SAMPLE_ROWS = 100

/** @throws UsageError when the source is not a catalog */
export async function openCatalog(source: CatalogSource, options: CatalogOptions = {}): Promise<Catalog> {
  const { name, chunks, close } = await openSource(source)
  try {
    const text = await openText(chunks, name, options.encoding)
    const head = text.head.subarray(0, 64 * 1024).toString('utf8')
    if (head === '') throw new UsageError(`${name}: expected a catalog, found an empty file.`)
    if (head.trim() === '') throw new UsageError(`${name}: expected a catalog, found only white space.`)
    const plainName = name.replace(/\.gz$/i, '')
    const opened =
      (options.format ?? sniffFormat(plainName, head)) === 'csv'
        ? await openCsv(text, options.delimiter ?? sniffDelimiter(plainName, head), name)
        : await openJsonl(text, name)
    const { byteOrderMark, notes } = text
    return { name, byteOrderMark, notes, ...opened, rows: once(opened.batches, close), close }
  } catch (error) {
    close()
    throw error
  }
}

type Batches = AsyncGenerator<RawRow[], void, undefined>
type Opened = Pick<Catalog, 'format' | 'delimiter' | 'columns' | 'names'> & { readonly batches: Batches }

async function openCsv(text: TextSource, delimiter: string, name: string): Promise<Opened> {
  const batches = withBadLines(readCsv(readBlocks(text.pieces), delimiter), text.badLines)
  const [header, ...rows] = await firstRows(batches, 2)
  const columns = requireHeader(header, name)
  if (rows.length === 0) throw new UsageError(`${name}: expected rows below the header, found none.`)
  const names = columns.map((column) => column.trim())
  return { format: 'csv', delimiter, columns, names, batches: startingWith(rows, batches) }
}

async function openJsonl(text: TextSource, name: string): Promise<Opened> {
  const batches = withBadLines(readJsonl(readBlocks(text.pieces)), text.badLines)
  const rows = await firstRows(batches, SAMPLE_ROWS)
  const names = new Set<string>()
  let objects = 0
  for (const row of rows.slice(0, SAMPLE_ROWS)) {
    if (row.kind !== 'object') continue
    objects++
    for (const key of Object.keys(row.value)) names.add(key)
  }
  if (objects === 0) {
    throw new UsageError(
      `${name}: expected one JSON object per line, found none in the first ${Math.min(rows.length, SAMPLE_ROWS)} lines. ` +
        `If each object spans several lines, convert it: jq -c . ${shellWord(name)} > rows.jsonl`,
    )
  }
  return { format: 'jsonl', delimiter: null, columns: [], names: [...names], batches: startingWith(rows, batches) }
}

/** At least so many rows, unless the file ends before. */
async function firstRows(batches: Batches, atLeast: number): Promise<RawRow[]> {
  const rows: RawRow[] = []
  while (rows.length < atLeast) {
    const next = await batches.next()
    if (next.done) break
    for (const row of next.value) rows.push(row)
  }
  return rows
}

async function* startingWith<T>(first: T, rest: AsyncIterable<T>): AsyncGenerator<T, void, undefined> {
  yield first
  yield* rest
}

/** The rows one by one; the file is closed behind the last one, or where the reader stops. */
function once(batches: Batches, close: () => void): () => AsyncIterable<RawRow> {
  let used = false
  return async function* () {
    if (used) throw new Error('The rows of a catalog can be read once')
    used = true
    try {
      for await (const batch of batches) yield* batch
    } finally {
      close()
    }
  }
}

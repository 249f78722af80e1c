import { CsvError, type InfoRecord, type Options, parse } from 'csv-parse/sync'
import { type Block, countLines, LF, LONGEST_RECORD_BYTES } from './blocks.js'
import type { RawRow } from './catalog.js'
import { tooLongRow } from './long-line.js'

/**
 * Blocks of CSV text into rows, with true line numbers and with damage kept local.
 *
 * A block is parsed at once (one call per 256 KB, which is what makes it fast). Where it ends inside
 * a quoted cell, what is behind the last whole record waits for the next block. Where the quotation
 * marks are wrong, only the line on which that record begins is given up: it becomes a `broken` row,
 * and reading starts anew on the next line, so one stray mark costs one row and never the file. A mark
 * in the middle of an unquoted cell (`27" monitor`) is no damage: it is taken as written.
 * A line with nothing on it is not a record; one of separators only is. In a catalog of one column an empty line is a
 * record like any other, except those before the header and at the end of the file.
 */
export async function* readCsv(
  blocks: AsyncIterable<Block>,
  delimiter: string,
): AsyncGenerator<RawRow[], void, undefined> {
  let state: State = { bytes: Buffer.alloc(0), line: 1, width: null, empty: 0 }
  for await (const block of blocks) {
    if (!Buffer.isBuffer(block)) {
      const before = parseRows(state, delimiter, true)
      state = { ...before.rest, line: block.line + 1 }
      yield [...before.rows, tooLongRow(block.line, block.bytes, JSON.stringify([block.beginning]))]
      continue
    }
    state = { ...state, bytes: state.bytes.length === 0 ? block : Buffer.concat([state.bytes, block]) }
    const parsed = parseRows(state, delimiter, false)
    state = parsed.rest
    yield parsed.rows
  }
  yield parseRows(state, delimiter, true).rows
}

/** What is still to be read, the line it begins on, the cells of the first record (null before it), and the empty lines just before. */
interface State {
  readonly bytes: Buffer
  readonly line: number
  readonly width: number | null
  readonly empty: number
}

function parseRows(state: State, delimiter: string, isLast: boolean): { rows: RawRow[]; rest: State } {
  const { bytes } = state
  const rows: RawRow[] = []
  let { line, width, empty } = state
  let at = 0

  const skipEmptyLines = () => {
    for (;;) {
      const length = bytes[at] === LF ? 1 : bytes[at] === 13 && bytes[at + 1] === LF ? 2 : 0
      if (length === 0) return
      at += length
      line++
      empty++
    }
  }
  const add = (row: RawRow) => {
    if (width === 1)
      for (let back = empty; back > 0; back--) rows.push({ kind: 'cells', line: line - back, cells: [''] })
    empty = 0
    rows.push(row)
  }
  const take = (cells: readonly string[], end: number) => {
    skipEmptyLines()
    add({ kind: 'cells', line, cells })
    width ??= cells.length
    line += countLines(bytes, at, end)
    at = end
  }

  for (;;) {
    const failure = parseUntilDamage(bytes.subarray(at), delimiter, at, take)
    skipEmptyLines()
    if (failure === null) break
    const mayGoOn = !isLast && bytes.length - at <= LONGEST_RECORD_BYTES
    if (failure.code === 'CSV_QUOTE_NOT_CLOSED' && mayGoOn)
      return { rows, rest: { bytes: bytes.subarray(at), line, width, empty } }
    const tolerated =
      failure.code === 'INVALID_OPENING_QUOTE' ? parseLiteralQuotes(bytes.subarray(at), delimiter) : null
    if (tolerated !== null && tolerated.cells.length === (width ?? tolerated.cells.length)) {
      take(tolerated.cells, at + tolerated.end)
      continue
    }
    const lineEnd = bytes.indexOf(LF, at)
    const end = lineEnd === -1 ? bytes.length : lineEnd + 1
    add(brokenRow(bytes.subarray(at, end), line, failure))
    at = end
    line++
  }
  return { rows, rest: { bytes: Buffer.alloc(0), line, width, empty } }
}

const RECORD_ENDS = ['\r\n', '\n']

/** Hands over every record up to the first damage, with the offset behind it; returns the damage, or null. */
function parseUntilDamage(
  bytes: Buffer,
  delimiter: string,
  offset: number,
  take: (cells: readonly string[], end: number) => void,
): CsvError | null {
  const options: Options = {
    delimiter,
    record_delimiter: RECORD_ENDS,
    relax_column_count: true,
    skip_empty_lines: true,
    on_record: (cells: string[], info: InfoRecord) => {
      take(cells, offset + info.bytes)
      return null
    },
  }
  try {
    parse(bytes, options)
    return null
  } catch (error) {
    if (error instanceof CsvError) return error
    throw error
  }
}

/** The first record, with quotation marks inside a cell taken as written; null when that does not help. */
function parseLiteralQuotes(bytes: Buffer, delimiter: string): { cells: readonly string[]; end: number } | null {
  let first: { cells: readonly string[]; end: number } | null = null
  const options: Options = {
    delimiter,
    record_delimiter: RECORD_ENDS,
    relax_quotes: true,
    to: 1,
    on_record: (cells: string[], info: InfoRecord) => {
      first = { cells, end: info.bytes }
      return null
    },
  }
  try {
    parse(bytes, options)
    return first
  } catch (error) {
    if (error instanceof CsvError) return null
    throw error
  }
}

function brokenRow(bytes: Buffer, line: number, failure: CsvError): RawRow {
  const text = bytes.toString('utf8').replace(/\r?\n$/, '')
  const found =
    failure.code === 'CSV_QUOTE_NOT_CLOSED'
      ? 'expected a closing quotation mark, found none before the end of the file (or within 1 MB)'
      : 'expected a separator or the end of the line after a closing quotation mark, found other text'
  return { kind: 'broken', line, json: JSON.stringify([text]), problem: found }
}

import { LONGEST_ROW_BYTES, type RawRow, tooLongRow } from '../catalog.js'
import { createScanner, type Dialect, type ScannedRecord } from './csv-scanner.js'
import { createRecordBuffer, type TextPiece } from './record-buffer.js'

/**
 * Reads CSV text as rows, with exact line numbers. Damage stays local to a row.
 *
 * A quotation mark is stray if it is never closed, or if its cell ends in the middle of a later row. Its
 * line becomes a `broken` row and reading continues with the next line, so it costs one row and not the
 * file. This is known only at the end of the cell, or even of the file. Until then the text is kept: 16 MB
 * in memory, the rest on disk. A row with a properly closed cell over 16 MB is broken and its text is dropped.
 *
 * An empty line is no record; a line of separators is. In a catalog of one column an empty line is a
 * record, except before the header and at the end of the file.
 */
export async function* readCsv(
  pieces: AsyncIterable<Buffer>,
  dialect: Dialect,
  { name, firstLine }: { readonly name: string; readonly firstLine: number },
): AsyncGenerator<RawRow[], void, undefined> {
  const reader = createReader(dialect, firstLine, name)
  try {
    for await (const piece of pieces) {
      reader.read({ text: piece.toString('utf8'), bytes: piece.length })
      yield reader.take()
      while (reader.readAgain()) yield reader.take()
    }
    while (reader.end()) {
      yield reader.take()
      while (reader.readAgain()) yield reader.take()
    }
    yield reader.take()
  } finally {
    reader.close()
  }
}

const NEVER_CLOSED = 'expected a closing quotation mark, found none before the end of the file'
const CLOSED_IN_TEXT =
  'expected a separator or the end of the line after a closing quotation mark, found other text on a later line'

function createReader(dialect: Dialect, firstLine: number, name: string) {
  const scanner = createScanner(dialect, firstLine)
  const buffer = createRecordBuffer(name)
  let rows: RawRow[] = []
  let width: number | null = null
  /** How many empty lines precede the present one. */
  let empty = 0
  let problem = NEVER_CLOSED
  /** Text to read again; the last entry first. */
  const again: Iterator<TextPiece, void>[] = []

  const add = (row: RawRow) => {
    if (width === 1)
      for (let back = empty; back > 0; back--) rows.push({ kind: 'cells', line: row.line - back, cells: [''] })
    empty = 0
    rows.push(row)
  }

  /** @param text the present piece, in which the record ends */
  const addRecord = (record: ScannedRecord, text: string) => {
    const { line, cells, moreLines } = record
    const first = width
    if (first === null) {
      width = cells.length
      empty = 0
    }
    if (record.start >= 0 && moreLines === 0) return add({ kind: 'cells', line, cells })
    const bytes = buffer.bytes() + (record.start < 0 ? Buffer.byteLength(text.slice(0, record.end)) : 0)
    if (buffer.isTooLong() || (bytes > LONGEST_ROW_BYTES && cells.some(isTooLong))) {
      return add(tooLongRow(line, bytes, JSON.stringify([buffer.beginning()]), moreLines + 1))
    }
    const rowLines = moreLines === 0 || first === null ? 0 : rowsInside(recordText(record, text), first, dialect)
    add(rowLines === 0 ? { kind: 'cells', line, cells } : { kind: 'cells', line, cells, rowsInside: rowLines })
  }

  const recordText = ({ start, end }: ScannedRecord, text: string): string =>
    start >= 0 ? text.slice(start, end) : buffer.beginning(LOOKED_AT) + text.slice(0, end)

  const isStray = (record: ScannedRecord, text: string): boolean => {
    if (record.torn === 'no' || (record.start < 0 && !buffer.isWhole())) return false
    if (record.torn === 'at opening' || width === null || width === 1) return true
    const [, second] = recordText(record, text).split(LINE_END, 2)
    if (second === undefined) return false
    // It may have a stray mark of its own, behind which its separators do not count.
    return widthOf(second, dialect) === width || widthOf(second, { ...dialect, quoting: 'none' }) === width
  }

  const read = (piece: TextPiece): void => {
    const { text } = piece
    scanner.give(text)
    for (;;) {
      const found = scanner.next()
      if (found === null) break
      if (found.kind === 'empty') empty++
      else if (found.kind === 'skipped') add(brokenRow(found.line, found.text, problem))
      else if (isStray(found, text)) {
        problem = CLOSED_IN_TEXT
        const { line, start } = found
        scanner.skipLine({ line, start: start < 0 ? null : start })
        if (start < 0) {
          again.push(buffer.takeWith(piece))
          return
        }
      } else {
        addRecord(found, text)
        buffer.clear()
      }
    }
    const open = scanner.open()
    if (open === null) return
    buffer.add(piece, open)
    if (buffer.isTooLong()) scanner.forget()
  }

  return {
    read,
    /** Reads one piece again. False: there is none left. */
    readAgain(): boolean {
      for (let top = again.at(-1); top !== undefined; top = again.at(-1)) {
        const { value } = top.next()
        if (value !== undefined) {
          read(value)
          return true
        }
        again.pop()
      }
      return false
    },
    /** The text has ended. False: no text must be read again. */
    end(): boolean {
      const open = scanner.open()
      const { last, isOpen } = scanner.end()
      if (last === null) return false
      if (last.kind === 'skipped') {
        add(brokenRow(last.line, last.text, problem))
        return false
      }
      // All of its text is in the buffer; there is no present piece.
      const record = { ...last, start: -1, end: 0 }
      if ((isOpen || isStray(record, '')) && buffer.isWhole()) {
        problem = isOpen ? NEVER_CLOSED : CLOSED_IN_TEXT
        scanner.skipLine({ line: open?.line ?? last.line, start: null })
        again.push(buffer.takeWith(null))
        return true
      }
      addRecord(record, '')
      return false
    },
    take(): RawRow[] {
      const taken = rows
      rows = []
      return taken
    },
    close: () => buffer.close(),
  }
}

function isTooLong(cell: string): boolean {
  return cell.length * 3 > LONGEST_ROW_BYTES && Buffer.byteLength(cell) > LONGEST_ROW_BYTES
}

function brokenRow(line: number, text: string, problem: string): RawRow {
  return { kind: 'broken', line, json: JSON.stringify([text]), problem }
}

const LINE_END = /\r*\n|\r/
/** How many characters of a row are searched for lines that look like rows. */
const LOOKED_AT = 64 * 1024

/** How many lines inside a quoted cell look like rows; 0 unless at least half do. */
function rowsInside(text: string, width: number, dialect: Dialect): number {
  if (width < 2) return 0
  const [, ...lines] = text.slice(0, LOOKED_AT).split(LINE_END)
  if (lines.at(-1) === '') lines.pop()
  const alike = lines.filter((line) => widthOf(line, dialect) === width).length
  return alike * 2 >= lines.length ? alike : 0
}

/** How many cells a line has if it is read alone. */
function widthOf(line: string, dialect: Dialect): number {
  const scanner = createScanner(dialect, 1)
  scanner.give(line)
  scanner.next()
  const { last } = scanner.end()
  return last?.kind === 'record' ? last.cells.length : 0
}

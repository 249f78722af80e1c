import { CatalogError, UsageError } from '../../domain/errors.js'
import type { OpenedText, RawRow } from '../catalog.js'
import { columnNames } from '../column-names.js'
import { GUARD_COLUMN, unguardFormula } from '../formula-cell.js'
import type { TextSource } from '../input/text.js'
import { firstRows, prepend, withBadLines } from '../row-chunks.js'
import { readCsv } from './csv-rows.js'
import type { Dialect } from './csv-scanner.js'
import { type Sample, sniffTable, sniffTabQuoting, type Table } from './sniff-csv.js'

/** Options of the user for a CSV or TSV text. */
export interface CsvOptions {
  /** One character. */
  readonly delimiter?: string | undefined
  /** The line of the header, from 1. */
  readonly headerRow?: number | undefined
}

/** @throws UsageError: with such options every row would be read wrongly, and paid for */
export function checkCsvOptions({ delimiter, headerRow }: CsvOptions): void {
  if (delimiter !== undefined && !/^[^"\r\n]$/.test(delimiter))
    throw new UsageError(`Expected the delimiter to be one character such as ";", found ${JSON.stringify(delimiter)}.`)
  if (headerRow !== undefined && !(Number.isSafeInteger(headerRow) && headerRow >= 1))
    throw new UsageError(`Expected the line of the header to be a whole number, 1 or more, found ${headerRow}.`)
}

const SAMPLE_BYTES = 64 * 1024
/** One quoted cell shows that a TSV has quoting, and it may come late. */
const TAB_SAMPLE_BYTES = 16 * 1024 * 1024

/** Detects the dialect and the columns of a CSV or TSV text. @throws CatalogError if it has no header or no row */
export async function openCsv(text: TextSource, name: string, options: CsvOptions): Promise<OpenedText> {
  const ahead = lookAhead(text.pieces)
  const usual = /\.(tsv|tab)(\.gz)?$/i.test(name) ? '\t' : ','
  const said = options.headerRow === undefined ? await takeSeparatorLine(ahead) : null
  let preamble = said === null ? '' : said.line
  let table: Table = { delimiter: options.delimiter ?? said?.delimiter ?? null, headerLine: 1 }
  if (options.headerRow !== undefined) preamble = await takeLines(ahead, options.headerRow - 1, name)
  if (table.delimiter === null) {
    const mayHaveTitle = options.headerRow === undefined && said === null
    table = sniffTable(await ahead.peek(SAMPLE_BYTES), usual, mayHaveTitle)
    preamble += await takeLines(ahead, table.headerLine - 1, name)
  }
  const firstLine = preamble.split('\n').length
  const dialect = await detectDialect(ahead, table.delimiter, usual)
  const chunks = withBadLines(readCsv(ahead.rest(), dialect, { name, firstLine }), text.badLines)
  const [header, ...rows] = await firstRows(chunks, 2)
  const written = requireHeader(header, name)
  if (rows.length === 0) throw new CatalogError(`${name}: expected rows below the header, found none.`)
  // An export with guarded cells: the guards are removed.
  const isGuarded = written.some((column) => column.trim() === GUARD_COLUMN)
  const all = prepend(rows, chunks)
  const columns = isGuarded ? written.map(unguardFormula) : written
  const headerLine = header?.line ?? 1
  const notes = [
    ...(said === null ? [] : ['separator by its sep= line']),
    ...notesOn(dialect, usual),
    ...(preamble !== '' && said === null ? [`header on line ${headerLine}`] : []),
    ...(isGuarded ? ['apostrophes before formulas removed'] : []),
  ]
  return {
    format: 'csv',
    delimiter: dialect.delimiter ?? usual,
    quoting: dialect.quoting,
    preamble,
    columns,
    names: columnNames(columns),
    notes,
    chunks: isGuarded ? unguardCells(all) : all,
  }
}

/** `sep=;` tells Excel the separator. It may be quoted or in capitals. */
const SEPARATOR_LINE = /^"?sep=([^"\r\n\p{L}\p{N}])"?[ \t]*(\r*\n|\r)/iu

async function takeSeparatorLine(ahead: LookAhead): Promise<{ delimiter: string; line: string } | null> {
  const { text } = await ahead.peek(SAMPLE_BYTES)
  const [line, delimiter] = SEPARATOR_LINE.exec(text) ?? []
  if (line === undefined || delimiter === undefined) return null
  ahead.drop(Buffer.byteLength(line))
  return { delimiter, line: `sep=${delimiter}\n` }
}

const MOST_PREAMBLE_BYTES = 1024 * 1024

/** Removes the lines before the header, and returns them. */
async function takeLines(ahead: LookAhead, count: number, name: string): Promise<string> {
  if (count === 0) return ''
  const { text } = await ahead.peek(MOST_PREAMBLE_BYTES)
  const lines = text.matchAll(/\r*\n|\r/g)
  let taken = 0
  for (const { index, 0: end } of lines) {
    if (++taken < count) continue
    const before = text.slice(0, index + end.length)
    ahead.drop(Buffer.byteLength(before))
    return before.replace(/\r*\n|\r/g, '\n')
  }
  throw new CatalogError(
    `${name}: expected the header on line ${count + 1}, found ${taken + (/[^\r\n]$/.test(text) ? 1 : 0)} lines ` +
      '(or more than 1 MB before it). Name its line with --header-row.',
  )
}

async function detectDialect(ahead: LookAhead, delimiter: string | null, usual: string): Promise<Dialect> {
  // Only a tab separates the cells of a TSV, even if its header has one column.
  if (delimiter === '\t' || (delimiter === null && usual === '\t')) {
    const { text, isAll } = await ahead.peek(TAB_SAMPLE_BYTES)
    return { delimiter: '\t', quoting: sniffTabQuoting(text, isAll), skipsSpaces: false }
  }
  const { text } = await ahead.peek(SAMPLE_BYTES)
  return { delimiter, quoting: 'csv', skipsSpaces: delimiter !== null && hasSpacesBeforeMarks(text, delimiter) }
}

/** As Python's csv.Sniffer detects `skipinitialspace`: every quoted cell has a space before its mark. */
function hasSpacesBeforeMarks(text: string, delimiter: string): boolean {
  if (text.includes(`${delimiter}"`)) return false
  const separator = delimiter.replace(/[|\\{}()[\]^$+*?.]/g, '\\$&')
  return new RegExp(`${separator} +"[^"]*(?:""[^"]*)*" *(?:${separator}|[\r\n]|$)`).test(text)
}

const NAMES: Readonly<Record<string, string>> = { ',': 'comma', ';': 'semicolon', '\t': 'tab', '|': 'pipe' }

function notesOn({ delimiter, quoting, skipsSpaces }: Dialect, usual: string): string[] {
  const notes: string[] = []
  if (delimiter === null) notes.push('one column')
  else if (delimiter !== ',' || usual !== ',') {
    const named = NAMES[delimiter]
    notes.push(named === undefined ? `separated by ${JSON.stringify(delimiter)}` : `${named}-separated`)
  }
  if (delimiter === '\t') notes.push(quoting === 'none' ? 'no quoting' : 'with quoted cells')
  if (skipsSpaces) notes.push('spaces before quotation marks removed')
  return notes
}

async function* unguardCells(chunks: AsyncIterable<RawRow[]>): AsyncGenerator<RawRow[], void, undefined> {
  for await (const chunk of chunks) {
    yield chunk.map((row) => (row.kind === 'cells' ? { ...row, cells: row.cells.map(unguardFormula) } : row))
  }
}

/** The columns as written. A nameless or repeated one is an error only if it is used. */
function requireHeader(row: RawRow | undefined, name: string): readonly string[] {
  if (row?.kind !== 'cells') {
    throw new CatalogError(
      `${name}: expected a header line with the names of the columns, found one that cannot be read. ` +
        'If the header is on a later line of the file, say so: --header-row N.',
    )
  }
  if (row.problem !== undefined) throw new CatalogError(`${name}, line ${row.line}: ${row.problem}.`)
  if (row.cells.some((column) => column.trim() !== '')) return row.cells
  throw new CatalogError(
    `${name}, line ${row.line}: expected a header line with the names of the columns, found no name in it. ` +
      'If the header is on another line of the file, say so: --header-row N.',
  )
}

type LookAhead = ReturnType<typeof lookAhead>

/** Lets the first bytes of the pieces be inspected before they are read. */
function lookAhead(pieces: AsyncIterable<Buffer>) {
  const source = pieces[Symbol.asyncIterator]()
  let held: Buffer[] = []
  let heldBytes = 0
  let isAll = false
  return {
    /** At least this many bytes, or all there are. */
    async peek(bytes: number): Promise<Sample> {
      while (!isAll && heldBytes < bytes) {
        const next = await source.next()
        isAll = next.done === true
        if (!next.done) held.push(next.value)
        heldBytes += next.done ? 0 : next.value.length
      }
      return { text: Buffer.concat(held).toString('utf8'), isAll }
    },
    /** Skips this many of the inspected bytes. */
    drop(bytes: number): void {
      held = [Buffer.concat(held).subarray(bytes)]
      heldBytes -= bytes
    },
    async *rest(): AsyncGenerator<Buffer, void, undefined> {
      try {
        for (let piece = held.shift(); piece !== undefined; piece = held.shift()) if (piece.length > 0) yield piece
        yield* { [Symbol.asyncIterator]: () => source }
      } finally {
        await source.return?.()
      }
    },
  }
}

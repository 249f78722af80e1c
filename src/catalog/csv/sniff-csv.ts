import { createScanner, type Dialect, type ScannedRecord } from './csv-scanner.js'

/** Whether a TSV has quoting is detected later. */
const DIALECTS: readonly (Dialect & { readonly delimiter: string })[] = [
  ...[',', ';', '\t', '|'].map((delimiter) => ({ delimiter, quoting: 'csv' as const, skipsSpaces: false })),
  { delimiter: '\t', quoting: 'none', skipsSpaces: false },
]
const MOST_RECORDS = 200
/** In a table, at least this share of the rows fits under the header. */
const FITTING_SHARE = 0.5

export interface Sample {
  readonly text: string
  /** Whether this is the whole file. */
  readonly isAll: boolean
}

/** The delimiter, and where the table begins, as guessed from the first lines. */
export interface Table {
  /** Null: one column. */
  readonly delimiter: string | null
  /** Of the header, from 1 for the first line of the sample. */
  readonly headerLine: number
}

/**
 * Picks the delimiter that gives most rows the width of the header. A first line without any is the header of
 * a catalog with one column, unless it is a title before a table.
 *
 * @param usual the delimiter that the file's name suggests
 * @param mayHaveTitle whether lines may stand before the header; else the first line is the header
 */
export function sniffTable(sample: Sample, usual: string, mayHaveTitle: boolean): Table {
  const possible = DIALECTS.filter(({ delimiter }) => sample.text.includes(delimiter))
  const readings = possible.map((dialect) => {
    const { delimiter } = dialect
    const { records } = sampleRecords(sample.text, dialect, { most: MOST_RECORDS, isAll: sample.isAll })
    return { delimiter, records, isUsual: delimiter === usual, headerLine: 1, ...widths(records) }
  })
  const first = best(readings)
  const isTable = first !== null && first.share >= FITTING_SHARE && !COMMENT_LINES.test(sample.text)
  if (first !== null && (isTable || !mayHaveTitle)) return first
  const behindTitle = readings.flatMap(({ records, ...reading }) => {
    const fitting = headersBehindTitle(records)
      .filter((from) => !isProse(records.slice(from)))
      .map((from) => ({ ...reading, headerLine: records[from]?.line ?? 1, ...widths(records.slice(from)), from }))
      .find(({ share, width, from }) => {
        const isNarrow = records
          .slice(0, from)
          .every(({ cells }) => filled(cells) < width || COMMENT.test(cells[0] ?? ''))
        return share >= FITTING_SHARE && isNarrow
      })
    return fitting === undefined ? [] : [fitting]
  })
  return (mayHaveTitle ? best(behindTitle) : null) ?? first ?? { delimiter: null, headerLine: 1 }
}

interface Reading extends Table {
  readonly width: number
  readonly share: number
  readonly isUsual: boolean
}

function best(readings: readonly Reading[]): Reading | null {
  const [found] = readings
    .filter(({ width }) => width > 1)
    .sort(
      (a, b) =>
        b.share - a.share || a.headerLine - b.headerLine || b.width - a.width || Number(b.isUsual) - Number(a.isUsual),
    )
  return found ?? null
}

/** The number of cells in the header, and the share of rows that have no more. */
function widths([header, ...rows]: readonly ScannedRecord[]): { width: number; share: number } {
  const width = header?.cells.length ?? 0
  if (rows.length === 0) return { width, share: 0 }
  const fitting = rows.filter(({ cells }) => cells.length > 1 && filled(cells) <= width)
  return { width, share: fitting.length / rows.length }
}

/** The number of cells without empty ones at the end. */
function filled(cells: readonly string[]): number {
  return cells.findLastIndex((cell) => cell.trim() !== '') + 1
}

const MOST_TITLE_RECORDS = 20

/**
 * Records that may be the header because the lines before them look like a title: an empty line follows it,
 * each of its lines begins with "#", or it consists of sentences.
 */
function headersBehindTitle(records: readonly ScannedRecord[]): number[] {
  const found: number[] = []
  let isComment = true
  let isSentence = true
  for (const [index, { cells, line, moreLines }] of records.slice(0, MOST_TITLE_RECORDS).entries()) {
    const before = records[index - 1]
    const isHeader = filled(cells) > 1 && !COMMENT.test(cells[0] ?? '')
    const isBehindGap = before !== undefined && line > before.line + 1
    if (before !== undefined && isHeader && (isBehindGap || isComment || isSentence)) found.push(index)
    if (moreLines > 0) break
    isComment &&= COMMENT.test(cells[0] ?? '')
    isSentence &&= filled(cells) === 1 && SENTENCE.test(cells[0] ?? '')
  }
  return found
}

/** At least three words, and no separator but a comma. */
const SENTENCE = /^[^\t;|]*\S +[^\s;|]+ +[^\s;|][^\t;|]*$/
const COMMENT = /^(#|\/\/)/
/** Two lines at least: one alone may be a header, such as "# of plays,title". */
const COMMENT_LINES = /^(#|\/\/)[ \t].*\r*\n(#|\/\/)[ \t]/

/** In sentences a space follows most commas. */
function isProse(records: readonly ScannedRecord[]): boolean {
  const behind = records.flatMap(({ cells }) => cells.slice(1))
  return behind.filter((cell) => cell.startsWith(' ')).length * 2 > behind.length
}

/**
 * TSV has no quoting (source: IANA, text/tab-separated-values). But Excel and others quote cells that contain
 * a tab, a line end or a quotation mark, and double the marks. Quoting needs evidence: every cell that begins
 * with a mark is quoted properly, no other cell contains a mark, and at least one cell needs its quotes; or
 * every cell is quoted.
 */
export function sniffTabQuoting(text: string, isAll: boolean): 'csv' | 'none' {
  if (!text.includes('"')) return 'none'
  const delimiter = '\t'
  const dialect = { delimiter, quoting: 'csv' as const, skipsSpaces: false }
  const { records, isOpen } = sampleRecords(text, dialect, { most: Number.POSITIVE_INFINITY, isAll })
  if (isOpen && isAll) return 'none'
  const width = records[0]?.cells.length ?? 0
  let needed = 0
  let isEveryCellQuoted = true
  for (const [index, { cells, moreLines, start, end }] of records.entries()) {
    const raw = text.slice(start, end).replace(/[\r\n]+$/, '')
    isEveryCellQuoted &&= (index === 0 ? EVERY_QUOTED : NUMBERS_BARE).test(raw)
    if (!raw.includes('"')) continue
    if (!WELL_QUOTED.test(raw)) return 'none'
    if (moreLines > 0 && !isEveryCellQuoted) {
      const lines = raw.split(/\r*\n|\r/)
      if (width < 2 || lines.slice(1).some((line) => line.split(delimiter).length === width)) return 'none'
    }
    if (cells.length === width && cells.some((cell) => /[\t\n\r"]/.test(cell))) needed++
  }
  return needed > 0 || (isEveryCellQuoted && records.length > 1) ? 'csv' : 'none'
}

const QUOTED = '"[^"]*(?:""[^"]*)*"'
const WELL_QUOTED = new RegExp(`^(?:${QUOTED}|[^"\\t\\r\\n]*)(?:\\t(?:${QUOTED}|[^"\\t\\r\\n]*))*$`)
const EVERY_QUOTED = new RegExp(`^${QUOTED}(?:\\t${QUOTED})*$`)
/** Some programs leave numbers and empty cells unquoted. */
const NUMBERS_BARE = new RegExp(`^(?:${QUOTED}|[-+.\\deE]*)(?:\\t(?:${QUOTED}|[-+.\\deE]*))*$`)

/**
 * Records at the beginning of the file, and whether the text ends inside a quoted cell.
 * @param isAll the text is the whole file; else its last record may be incomplete and is left out
 */
function sampleRecords(
  text: string,
  dialect: Dialect,
  { most, isAll }: { most: number; isAll: boolean },
): { readonly records: readonly ScannedRecord[]; readonly isOpen: boolean } {
  const scanner = createScanner(dialect, 1)
  scanner.give(text)
  const records: ScannedRecord[] = []
  while (records.length < most) {
    const found = scanner.next()
    if (found === null) {
      const { last, isOpen } = scanner.end()
      if (last?.kind === 'record' && !isOpen && isAll) records.push(last)
      return { records, isOpen }
    }
    if (found.kind === 'record') records.push(found)
  }
  return { records, isOpen: false }
}

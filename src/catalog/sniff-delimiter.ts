import { type SampleRecord, sampleRecords } from './csv-sample.js'
import type { Dialect } from './dialect.js'

/** Whether a TSV has quoting is found out later. */
const DIALECTS: readonly (Dialect & { readonly delimiter: string })[] = [
  ...[',', ';', '\t', '|'].map((delimiter) => ({ delimiter, quoting: 'csv' as const, skipsSpaces: false })),
  { delimiter: '\t', quoting: 'none', skipsSpaces: false },
]
const MOST = 200
/** The share of rows that have as many cells as the header, where nothing is wrong with it. */
const FITS = 0.5

export interface Sample {
  readonly text: string
  /** Whether the file ends behind it. */
  readonly isAll: boolean
}

/** Where the table begins: guessed from the first lines. */
export interface Table {
  /** Null: one column. */
  readonly delimiter: string | null
  /** Of the header, from 1 for the first line of the sample. */
  readonly headerLine: number
}

/**
 * The delimiter is the one that gives most rows the width of the header. A header without any is a catalog of one
 * column, unless lines of a title stand before a table.
 *
 * @param usual the delimiter that the file's name suggests
 * @param mayHaveTitle whether lines may stand before the header; else the first line is the header
 */
export function sniffTable(sample: Sample, usual: string, mayHaveTitle: boolean): Table {
  const readings = DIALECTS.map((dialect) => {
    const { delimiter } = dialect
    const { records } = sampleRecords(sample.text, dialect, { most: MOST, isAll: sample.isAll })
    return { delimiter, records, ...widths(records), isUsual: delimiter === usual }
  })
  const [best] = readings
    .filter(({ width }) => width > 1)
    .sort((a, b) => b.share - a.share || b.width - a.width || Number(b.isUsual) - Number(a.isUsual))
  if (mayHaveTitle && (best === undefined || best.share < FITS)) {
    for (const { delimiter, records } of readings.toSorted((a, b) => Number(b.isUsual) - Number(a.isUsual))) {
      const headerLine = lineBehindTitle(records, sample.text, delimiter)
      if (headerLine !== null) return { delimiter, headerLine }
    }
  }
  return { delimiter: best?.delimiter ?? null, headerLine: 1 }
}

/** The cells of the header, and the share of rows that have as many. */
function widths([header, ...rows]: readonly SampleRecord[]): { width: number; share: number } {
  const width = header?.cells.length ?? 0
  if (rows.length === 0) return { width, share: 0 }
  return {
    width,
    share: rows.filter(({ cells }) => filled(cells) <= width && cells.length >= width).length / rows.length,
  }
}

/** Cells without the empty ones at the end. */
function filled(cells: readonly string[]): number {
  return cells.findLastIndex((cell) => cell.trim() !== '') + 1
}

const MOST_TITLE_RECORDS = 20

/**
 * The line of the header where a title stands before it: narrow lines, then records that all have one width. What makes
 * a title of them is an empty line behind, a "#" before, or that they are sentences.
 */
function lineBehindTitle(records: readonly SampleRecord[], text: string, delimiter: string): number | null {
  const width = records.at(-1)?.cells.length ?? 0
  const first = records.findLastIndex(({ cells }) => !isOfTable(cells, width)) + 1
  const [header, row] = records.slice(first)
  const titles = records.slice(0, first)
  if (first === 0 || first > MOST_TITLE_RECORDS || header === undefined || row === undefined || width < 2) return null
  if (header.cells.length !== width || titles.some(({ cells, moreLines }) => filled(cells) >= width || moreLines > 0)) {
    return null
  }
  const [title] = titles
  const last = titles.at(-1)
  if (title === undefined || last === undefined) return null
  if (header.cells.some((cell) => cell.trim() === '') || isProse(text.slice(header.start), delimiter)) return null
  const isFollowedByGap = header.line > last.line + 1
  const isComment = titles.every(({ cells }) => /^(#|\/\/)/.test(cells[0] ?? ''))
  const isSentence = titles.every(({ cells }) => filled(cells) === 1 && /\S\s+\S+\s+\S/.test(cells[0] ?? ''))
  return isFollowedByGap || isComment || isSentence ? header.line : null
}

function isOfTable(cells: readonly string[], width: number): boolean {
  return cells.length > 1 && filled(cells) <= width && cells.length >= width
}

/** Commas of sentences have a space behind them. */
function isProse(text: string, delimiter: string): boolean {
  const parts = text.split(delimiter)
  return parts.slice(1).filter((part) => part.startsWith(' ')).length * 2 > parts.length - 1
}

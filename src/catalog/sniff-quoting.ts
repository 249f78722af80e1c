import { sampleRecords } from './csv-sample.js'

/**
 * TSV has no quoting (source: IANA, text/tab-separated-values), but Excel and others write one: cells with a tab, a line
 * end or a mark in them are quoted, marks doubled. That is believed only with evidence: every cell that
 * begins with a mark is quoted properly, none has a mark in its middle without being quoted, and at least one needed
 * the quoting; or every cell is quoted.
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
/** Some writers leave numbers and empty cells bare. */
const NUMBERS_BARE = new RegExp(`^(?:${QUOTED}|[-+.\\deE]*)(?:\\t(?:${QUOTED}|[-+.\\deE]*))*$`)

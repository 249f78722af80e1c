import { LONGEST_ROW_BYTES } from '../catalog.js'

/** How a CSV or TSV text separates and quotes its cells. */
export interface Dialect {
  /** One UTF-16 unit; null: a file of one column. */
  readonly delimiter: string | null
  /** `csv`: a quotation mark at the start of a cell quotes it. `none`: it is an ordinary character. */
  readonly quoting: 'csv' | 'none'
  /** Spaces before a quotation mark do not belong to the cell (`1, "Harbour, late"`). */
  readonly skipsSpaces: boolean
}

export interface ScannedRecord {
  readonly kind: 'record'
  /** Where it begins, from 1. */
  readonly line: number
  readonly cells: readonly string[]
  /** How many lines it has after the first. */
  readonly moreLines: number
  /**
   * Text other than spaces follows the closing mark of a cell over several lines, which no program writes.
   * `at opening`: that mark follows a separator, as one that opens a cell.
   */
  readonly torn: 'no' | 'in text' | 'at opening'
  /** Where its text begins in this piece; negative: in an earlier one. */
  readonly start: number
  /** The position after its line end. */
  readonly end: number
}

/** A line that `skipLine` gave up. */
interface SkippedLine {
  readonly kind: 'skipped'
  readonly line: number
  readonly text: string
}

/** `empty`: an empty line. */
type Scanned = ScannedRecord | SkippedLine | { readonly kind: 'empty'; readonly line: number }

const LF = 10
const CR = 13
const MARK = 34
const SPACE = 32

/** Where in a record the scanner is. `mark`: after a quotation mark inside a quoted cell. */
type Place = 'start' | 'line end' | 'cell' | 'spaces' | 'plain' | 'quoted' | 'mark' | 'given up'

/**
 * Splits CSV text into records, piece by piece, reading each character once. A piece may end anywhere: the
 * scanner keeps its state between pieces.
 *
 * The rules of Excel and of Python's csv module apply. A quotation mark quotes only at the start of a cell.
 * Text after a closing mark belongs to the cell, and marks in it are ordinary characters. LF, CR and CRLF end
 * a record. The caller decides what is damage, by `torn` and the like.
 */
export function createScanner({ delimiter, quoting, skipsSpaces }: Dialect, firstLine: number) {
  const hasQuotes = quoting === 'csv'
  let text = ''
  let pos = 0
  let place: Place = 'start'
  let line = firstLine
  let lineEnds = 0
  let start = 0
  let cells: string[] = []
  let cell = ''
  let isQuoted = false
  /** The present cell is quoted and over several lines. */
  let spans = false
  let closedAfterSeparator = false
  let torn: ScannedRecord['torn'] = 'no'
  // The next of each at or after `pos`, so that a text without any is searched once. -1: not searched yet.
  let lf = -1
  let cr = -1
  let mark = -1
  let separatorAt = -1
  /** There is no CR from here on; -1: unknown. */
  let noCrFrom = -1

  const find = (character: string, known: number): number => {
    if (known >= pos) return known
    const at = text.indexOf(character, pos)
    return at === -1 ? Number.POSITIVE_INFINITY : at
  }

  const nextMark = (from: number): number => {
    const at = text.indexOf('"', from)
    return at === -1 ? Number.POSITIVE_INFINITY : at
  }

  /** The fast path: a whole line without quotation marks. Null: this line needs the state machine. */
  const plainLine = (): Scanned | null => {
    lf = find('\n', lf)
    if (lf === Number.POSITIVE_INFINITY) return null
    if (hasQuotes) {
      mark = find('"', mark)
      if (mark < lf) return null
    }
    let end = lf
    if (nextCr() < lf) {
      while (end > cr && text.charCodeAt(end - 1) === CR) end--
      if (end > cr) return null
    }
    const at = pos
    pos = lf + 1
    line++
    if (end === at) return { kind: 'empty', line: line - 1 }
    const plain = text.slice(at, end)
    return {
      kind: 'record',
      line: line - 1,
      cells: delimiter === null ? [plain] : plain.split(delimiter),
      moreLines: 0,
      torn: 'no',
      start: at,
      end: pos,
    }
  }

  const finish = (): ScannedRecord => {
    cells.push(cell)
    const record: ScannedRecord = { kind: 'record', line, cells, moreLines: lineEnds, torn, start, end: pos }
    line += lineEnds
    reset()
    return record
  }

  const countLineEnds = (end: number) => {
    lf = find('\n', lf)
    while (lf < end) {
      lineEnds++
      spans = true
      const next = text.indexOf('\n', lf + 1)
      lf = next === -1 ? Number.POSITIVE_INFINITY : next
    }
  }

  const nextCr = (): number => {
    cr = find('\r', cr)
    if (cr === Number.POSITIVE_INFINITY && noCrFrom === -1) noCrFrom = pos
    return cr
  }

  const reset = () => {
    cells = []
    cell = ''
    lineEnds = 0
    isQuoted = false
    spans = false
    torn = 'no'
  }

  /** No record is open that may have to be read again. */
  const isBetween = () => place === 'start' || place === 'line end' || place === 'given up'

  const skipped = (): SkippedLine => {
    const given: SkippedLine = { kind: 'skipped', line, text: cell }
    reset()
    line++
    return given
  }

  const step = (): Scanned | null => {
    const code = text.charCodeAt(pos)
    switch (place) {
      case 'line end':
        // The rest of CRLF, or of CR CR LF, which Windows makes of it in text mode.
        if (code === CR) pos++
        else {
          if (code === LF) pos++
          place = 'start'
        }
        return null
      case 'start': {
        const plain = plainLine()
        if (plain !== null) return plain
        start = pos
        if (code === LF || code === CR) {
          pos++
          if (code === CR) place = 'line end'
          return { kind: 'empty', line: line++ }
        }
        place = 'cell'
        return null
      }
      case 'cell':
        if (hasQuotes && code === MARK) {
          pos++
          isQuoted = true
          place = 'quoted'
        } else place = skipsSpaces && code === SPACE ? 'spaces' : 'plain'
        return null
      case 'spaces':
        if (code === SPACE) {
          cell += ' '
          pos++
        } else if (code === MARK) {
          cell = ''
          place = 'cell'
        } else place = 'plain'
        return null
      case 'quoted': {
        mark = find('"', mark)
        let isDoubled = false
        // All doubled marks of a piece are replaced at once: V8 keeps a node for each concatenation, and `replaceAll`
        // concatenates too.
        while (text.charCodeAt(mark + 1) === MARK) {
          isDoubled = true
          mark = nextMark(mark + 2)
        }
        const end = Math.min(mark, text.length)
        countLineEnds(end)
        const raw = text.slice(pos, end)
        cell += isDoubled ? raw.split('""').join('"') : raw
        pos = end
        if (mark < text.length) {
          pos++
          place = 'mark'
        }
        return null
      }
      case 'mark':
        if (code === MARK) {
          cell += '"'
          pos++
          place = 'quoted'
        } else {
          place = 'plain'
          closedAfterSeparator = spans && delimiter !== null && cell.endsWith(delimiter)
        }
        return null
      case 'plain': {
        lf = find('\n', lf)
        if (delimiter !== null) separatorAt = find(delimiter, separatorAt)
        const end = Math.min(lf, nextCr(), delimiter === null ? text.length : separatorAt, text.length)
        if (end > pos) {
          const more = text.slice(pos, end)
          if (spans && torn === 'no' && /[^ ]/.test(more)) torn = closedAfterSeparator ? 'at opening' : 'in text'
          cell += more
        }
        pos = end
        if (end === text.length) return null
        pos++
        if (end === separatorAt) {
          cells.push(cell)
          cell = ''
          spans = false
          place = 'cell'
          return null
        }
        place = end === cr ? 'line end' : 'start'
        const record = finish()
        line++
        return record
      }
      case 'given up': {
        lf = find('\n', lf)
        const end = Math.min(lf, nextCr(), text.length)
        if (cell.length < LONGEST_ROW_BYTES) cell += text.slice(pos, end)
        pos = end
        if (end === text.length) return null
        pos++
        place = end === cr ? 'line end' : 'start'
        return skipped()
      }
      default:
        return place satisfies never
    }
  }

  return {
    /** The next record or line of this piece. Null: the piece has none left. */
    next(): Scanned | null {
      while (pos < text.length) {
        const found = step()
        if (found !== null) return found
      }
      return null
    },
    /** Continues with the next piece of the text. */
    give(next: string): void {
      start -= text.length
      text = next
      pos = 0
      lf = -1
      cr = -1
      mark = -1
      separatorAt = -1
      noCrFrom = -1
    },
    /** The text has ended. `last`: the line that had no line end. `isOpen`: it ended inside a quoted cell. */
    end(): { readonly last: ScannedRecord | SkippedLine | null; readonly isOpen: boolean } {
      if (place === 'start' || place === 'line end') return { last: null, isOpen: false }
      const isOpen = place === 'quoted'
      const isGivenUp = place === 'given up'
      place = 'start'
      return { last: isGivenUp ? skipped() : finish(), isOpen }
    },
    /** The record that has not ended yet. `start`: in the present piece, negative if earlier. `isQuoted`: it has a quoted cell. */
    open: () => (isBetween() ? null : { start, line, isQuoted }),
    /** Drops the text of the open record. */
    forget(): void {
      cells = []
      cell = ''
    },
    /**
     * Skips the first line of a record and continues with the next line. `start`: where the record begins; null if the
     * caller gives its text again.
     */
    skipLine(at: { readonly line: number; readonly start: number | null }): void {
      reset()
      line = at.line
      place = 'given up'
      if (at.start === null) return
      pos = at.start
      lf = -1
      mark = -1
      separatorAt = -1
      cr = noCrFrom !== -1 && noCrFrom <= pos ? Number.POSITIVE_INFINITY : -1
    },
  }
}

import { BEGINNING, LONGEST_ROW_BYTES, type RawRow, tooLongRow } from './catalog.js'
import { onOneLine } from './json.js'
import { createScanner, type Scanner } from './json-scanner.js'
import { beginning, jsonRow } from './jsonl-rows.js'

/**
 * The values of a JSON list, or values one after another, as rows: each over as many lines as it likes.
 * Memory is one value, at most 16 MB of it.
 *
 * A value that cannot be read costs that value. Where it ends is found by its brackets, and if they are wrong too,
 * by the next line that begins like the values before: the same indentation and a brace. Without such a line
 * the rest of the text is one broken row. To take an inner object for a row would be worse: it would be searched.
 */
export async function* readJsonValues(
  pieces: AsyncIterable<Buffer>,
  isList: boolean,
): AsyncGenerator<RawRow[], void, undefined> {
  const reader = createReader(isList)
  for await (const piece of pieces) yield reader.read(piece.toString('utf8'), false)
  yield reader.read('', true)
}

/** The value that is being read. */
interface Value {
  readonly line: number
  /** The white space before it; null when it does not begin its line. */
  readonly indent: string | null
  readonly strict: Scanner
  /** Set once it cannot be JSON any more: looks for its end by brackets alone. */
  loose: Scanner | null
  /** Brackets do not tell where it ends: its beginning is no beginning, or is not kept any more. */
  isLost: boolean
  /** Characters that were left out, since it is too long. */
  dropped: number
  beginning: string
}

/** Enough to find the beginning of a line in. */
const KEPT = 1000

function createReader(isList: boolean) {
  /** What is not read yet; inside a value, from its beginning. */
  let text = ''
  let at = 0
  let line = 1
  let value: Value | null = null
  let lists = 0
  let indent: string | null = ''
  /** How values begin that begin their line; null: not known, or inner objects do so too. */
  let mark: string | null = null
  let isAmbiguous = false
  /** Behind anything but an object: what comes without a separator may be a part of it. */
  let needsSeparator = false
  /** The last value was broken, and all that was left. */
  let isCutOff = false

  const advance = (end: number): void => {
    for (let next = text.indexOf('\n', at); next !== -1 && next < end; next = text.indexOf('\n', next + 1)) line++
    at = end
  }

  /** Up to the next value; false: there is none yet. */
  const begin = (): boolean => {
    for (; at < text.length; at++) {
      const character = text[at] ?? ''
      if (character === '[' && isList && lists === 0) lists++
      else if (character === ']' && lists > 0) lists--
      else if (!SEPARATORS.includes(character)) {
        const strict = createScanner(at, true)
        value = { line, indent, strict, loose: null, isLost: needsSeparator, dropped: 0, beginning: '' }
        return true
      }
      if (character === ',' || character === '[' || (character === '\n' && !isList)) needsSeparator = false
      if (character === '\n') {
        line++
        indent = ''
      } else if (character === ' ' || character === '\t') indent = indent === null ? null : indent + character
      else indent = null
    }
    return false
  }

  /** The value ends here. */
  const finish = (from: Value, end: number, problem: string | null): RawRow => {
    const raw = text.slice(at, end)
    const isTooLong = from.dropped + raw.length > LONGEST_ROW_BYTES
    advance(end)
    value = null
    indent = null
    needsSeparator = true
    isCutOff = end === text.length && problem !== null
    if (isTooLong) {
      const json = JSON.stringify(from.beginning === '' ? raw.slice(0, BEGINNING) : from.beginning)
      return tooLongRow(from.line, from.dropped + raw.length, json)
    }
    if (problem !== null) return { kind: 'broken', line: from.line, json: JSON.stringify(raw), problem }
    const row = jsonRow(raw, from.line)
    needsSeparator = row.kind !== 'object'
    if (row.kind === 'object' && from.indent !== null) {
      mark = `\n${from.indent}{`
      isAmbiguous ||= raw.includes(mark)
    }
    if (!/[\r\n]/.test(raw)) return row
    if (row.kind === 'object') return { ...row, text: onOneLine(raw) }
    return row.kind === 'broken' && row.json === raw ? { ...row, json: onOneLine(raw) } : row
  }

  /** Null: more text is needed. */
  const step = (current: Value, isLast: boolean): RawRow | null => {
    if (current.loose === null && !current.isLost) {
      const found = current.strict.scan(text)
      if (found.kind === 'end') return finish(current, found.at, null)
      if (found.kind === 'more' && !isLast) return drop(current)
      current.isLost = current.dropped > 0
    }
    current.loose ??= createScanner(at, false)
    return recover(current, current.loose, isLast)
  }

  const recover = (current: Value, loose: Scanner, isLast: boolean): RawRow | null => {
    const problem = notJson(current.beginning === '' ? text.slice(at, at + 100) : current.beginning)
    const lineMark = isAmbiguous ? null : (mark ?? ownMark(current, text.slice(at, at + 100)))
    // Where a line begins like the values do, a value begins.
    const nextLine = lineMark === null ? -1 : text.indexOf(lineMark, at)
    const found = current.isLost ? null : loose.scan(text)
    if (found?.kind === 'end' && (nextLine === -1 || found.at <= nextLine)) return finish(current, found.at, problem)
    if (nextLine !== -1) {
      const row = finish(current, nextLine, problem)
      needsSeparator = false
      return row
    }
    if (!isLast) return drop(current)
    return finish(current, text.length, `${problem} (up to the end of the file)`)
  }

  /** Nothing of a value that is too long is kept but its beginning. */
  const drop = (current: Value): null => {
    if (text.length - at + current.dropped <= LONGEST_ROW_BYTES) return null
    if (current.dropped === 0) current.beginning = text.slice(at, at + BEGINNING)
    const count = Math.max(0, text.length - at - KEPT)
    advance(at + count)
    current.dropped += count
    return null
  }

  return {
    read(piece: string, isLast: boolean): RawRow[] {
      value?.strict.forget(at)
      value?.loose?.forget(at)
      text = text.slice(at) + piece
      at = 0
      const rows: RawRow[] = []
      while (value !== null || begin()) {
        const row: RawRow | null = step(value as Value, isLast)
        if (row === null) break
        rows.push(row)
      }
      if (isLast && lists > 0 && !isCutOff) rows.push({ kind: 'broken', line, json: 'null', problem: UNCLOSED })
      return rows
    },
  }
}

const SEPARATORS = [' ', '\t', '\r', '\n', ',']
const UNCLOSED = 'expected ] behind the last element of the list, found the end of the file: is it cut off?'

/** Before a value was read: its own beginning, unless inner objects may look the same. */
function ownMark(value: Value, beginning: string): string | null {
  const isClear = value.indent !== null && (value.indent !== '' || !/^\{\s*\n/.test(beginning))
  return isClear ? `\n${value.indent}{` : null
}

function notJson(text: string): string {
  return `expected one JSON object, found what is not JSON: ${beginning(text)}`
}

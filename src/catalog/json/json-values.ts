import { LONG_ROW_KEPT_CHARACTERS, LONGEST_ROW_BYTES, type RawRow, tooLongRow } from '../catalog.js'
import { onOneLine } from './exact-json.js'
import { createScanner, type Scanner } from './json-scanner.js'
import { excerpt, jsonRow } from './jsonl-rows.js'

/**
 * Reads the values of a JSON list, or values one after another, as rows. A value may span any number of
 * lines. Memory is bounded by one value, of which at most 16 MB are kept.
 *
 * A value that cannot be read becomes one broken row. Its brackets show where it ends. If they are wrong too,
 * it ends before the next line that begins like the values before: the same indentation and a brace. Without
 * such a line the rest of the text is one broken row. Reading an inner object as a row would be worse: it
 * would be searched and paid for.
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
  /** The white space before it; null: it does not begin its line. */
  readonly indent: string | null
  readonly strict: Scanner
  /** Set once it cannot be valid JSON: finds its end by brackets alone. */
  loose: Scanner | null
  /** Brackets cannot show where it ends: its beginning is missing, or was dropped. */
  isLost: boolean
  /** How many characters were dropped because it is too long. */
  dropped: number
  beginning: string
}

/** How many of the last characters of a long value are kept, to find the start of a line in them. */
const KEPT = 1000

/**
 * To add a piece to a long value copies the whole value. So pieces are collected until they are as long as it is, or this
 * many characters.
 */
const MOST_UNREAD = 4 * 1024 * 1024

function createReader(isList: boolean) {
  /** From `at` on: what is scanned. Inside a value it has all of the value so far. */
  let text = ''
  /** Pieces that were not added to the text yet. */
  let unread = ''
  let at = 0
  let line = 1
  let value: Value | null = null
  let lists = 0
  let indent: string | null = ''
  /** What precedes a value that begins its line: its indentation and brace. Null: not known. */
  let mark: string | null = null
  /** Inner objects begin like that too. */
  let isAmbiguous = false
  /** After a value that is not an object: text that follows without a separator may belong to it. */
  let needsSeparator = false
  /** The last value was broken and took the rest of the text. */
  let isCutOff = false

  /** Returns the text up to the end, and continues there. */
  const take = (end: number): string => {
    const taken = text.slice(at, end)
    for (let next = taken.indexOf('\n'); next !== -1; next = taken.indexOf('\n', next + 1)) line++
    at = end
    return taken
  }

  /** Advances to the next value. False: the text has none yet. */
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
    const raw = take(end)
    const isTooLong = from.dropped + raw.length > LONGEST_ROW_BYTES
    value = null
    indent = null
    needsSeparator = true
    isCutOff = end === text.length && problem !== null
    if (isTooLong) {
      const json = JSON.stringify(from.beginning === '' ? raw.slice(0, LONG_ROW_KEPT_CHARACTERS) : from.beginning)
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
    const problem = (end: number) =>
      notJson(current.beginning === '' ? text.slice(at, Math.min(end, at + 100)) : current.beginning)
    const lineMark = isAmbiguous ? null : (mark ?? ownMark(current, text.slice(at, at + 100)))
    // A line that begins like the values before is the next value.
    const nextLine = lineMark === null ? -1 : text.indexOf(lineMark, at)
    const found = current.isLost ? null : loose.scan(text)
    if (found?.kind === 'end' && (nextLine === -1 || found.at <= nextLine))
      return finish(current, found.at, problem(found.at))
    if (nextLine !== -1) {
      const row = finish(current, nextLine, problem(nextLine))
      needsSeparator = false
      return row
    }
    if (!isLast) return drop(current)
    return finish(current, text.length, `${problem(text.length)} (up to the end of the file)`)
  }

  /** Drops the text of a value that is too long, except its beginning. */
  const drop = (current: Value): null => {
    if (text.length - at + current.dropped <= LONGEST_ROW_BYTES) return null
    if (current.dropped === 0) current.beginning = text.slice(at, at + LONG_ROW_KEPT_CHARACTERS)
    const count = Math.max(0, text.length - at - KEPT)
    take(at + count)
    current.dropped += count
    return null
  }

  return {
    read(piece: string, isLast: boolean): RawRow[] {
      unread += piece
      if (!isLast && unread.length < Math.min(text.length - at, MOST_UNREAD)) return []
      value?.strict.forget(at)
      value?.loose?.forget(at)
      text = text.slice(at) + unread
      unread = ''
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
const UNCLOSED = 'expected ] after the last element of the list, found the end of the file: is it cut off?'

/**
 * How the next value begins, before one was read whole: as this one does. Null if an object inside it may begin the same
 * way.
 */
function ownMark(value: Value, beginning: string): string | null {
  const isClear = value.indent !== null && (value.indent !== '' || !/^\{\s*\n/.test(beginning))
  return isClear ? `\n${value.indent}{` : null
}

function notJson(text: string): string {
  return `expected one JSON object, found what is not JSON: ${excerpt(text)}`
}

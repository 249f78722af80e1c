import { truncate } from '../../domain/format.js'
import { isRecord } from '../../domain/json.js'
import { LONG_ROW_KEPT_CHARACTERS, LONGEST_ROW_BYTES, type RawRow, tooLongRow } from '../catalog.js'
import { LF } from '../input/encodings.js'

/**
 * Reads JSON lines as rows. Blank lines are skipped. Memory is bounded by one piece, or one line if that is longer.
 *
 * @param pieces each much shorter than the longest row, and cut between characters
 */
export async function* readJsonl(pieces: AsyncIterable<Buffer>): AsyncGenerator<RawRow[], void, undefined> {
  let line = 1
  /** The line that has not ended yet; only its beginning if it is too long. */
  let held = ''
  let heldBytes = 0

  const heldRow = (): RawRow[] => {
    if (heldBytes > LONGEST_ROW_BYTES) return [tooLongRow(line, heldBytes, JSON.stringify(held))]
    const text = held.trim()
    return text === '' ? [] : [jsonRow(text, line)]
  }

  for await (const piece of pieces) {
    const [first = '', ...lines] = piece.toString('utf8').split('\n')
    const isLong = heldBytes > LONGEST_ROW_BYTES
    heldBytes += lines.length === 0 ? piece.length : piece.indexOf(LF)
    if (!isLong) held += first
    // A copy: a slice would keep the whole text.
    if (!isLong && heldBytes > LONGEST_ROW_BYTES) held = Buffer.from(held.slice(0, LONG_ROW_KEPT_CHARACTERS)).toString()
    if (lines.length === 0) continue
    const rows = heldRow()
    line++
    held = lines.pop() ?? ''
    heldBytes = piece.length - piece.lastIndexOf(LF) - 1
    for (const whole of lines) {
      const text = whole.trim()
      if (text !== '') rows.push(jsonRow(text, line))
      line++
    }
    yield rows
  }
  yield heldRow()
}

/** One JSON text, which should be an object. */
export function jsonRow(text: string, line: number): RawRow {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    const problem = `expected one JSON object, found what is not JSON: ${excerpt(text)}`
    return { kind: 'broken', line, json: JSON.stringify(text), problem }
  }
  if (isRecord(value)) return { kind: 'object', line, text, value }
  return { kind: 'broken', line, json: text, problem: `expected one JSON object, found ${excerpt(text)}` }
}

/** The first characters of a text, on one line. */
export function excerpt(text: string): string {
  return truncate(text.slice(0, 100).replace(/\s+/g, ' '), 40)
}

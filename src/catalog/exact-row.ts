import { isRecord } from '../domain/is-record.js'
import type { RawRow } from './catalog.js'
import { mayHoldExactNumber, parseExactly } from './json.js'

/**
 * Rows of a JSON catalog with the digits of the values that are used, and without doubt about their keys: a key that
 * a row has twice, with different values, is that row's problem.
 *
 * Most rows need no more than `JSON.parse`: what is used is a text, or a number that stands in the row as
 * JavaScript writes it. Only the others are parsed a second time, by a parser that keeps digits.
 */
export function exactRows(used: readonly string[]): (row: RawRow) => RawRow {
  const quoted = used.map((name) => JSON.stringify(name))
  // One pass over the row, which is faster than one for each key.
  const anyKey = new RegExp(quoted.map((key) => key.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')).join('|'), 'g')
  return (row) => {
    if (row.kind !== 'object' || row.problem !== undefined) return row
    const { text, value } = row
    let mentions = 0
    anyKey.lastIndex = 0
    while (anyKey.test(text)) mentions++
    for (const [index, name] of used.entries()) {
      if (!Object.hasOwn(value, name)) continue
      mentions--
      if (!isPlain(text, quoted[index] ?? '', value[name])) return exactRow(row, used)
    }
    const isClear = mentions === 0 && !(text.includes('\\') && ESCAPED_KEY.test(text))
    return isClear ? row : exactRow(row, used)
  }
}

/** A key may be written in another way, such as "\u0069d". */
const ESCAPED_KEY = /"[^"\\]*\\[^"]*"\s*:/

/** Whether JavaScript writes the value as it stands behind the key. */
function isPlain(text: string, quotedKey: string, value: unknown): boolean {
  if (typeof value === 'object' && value !== null) {
    return !innerKeys(value).some((key) => isThereTwice(text, JSON.stringify(key))) && !mayHoldExactNumber(text)
  }
  if (typeof value !== 'number') return true
  const digits = String(value)
  const colon = text.indexOf(':', text.indexOf(quotedKey) + quotedKey.length) + 1
  const start = text[colon] === ' ' ? colon + 1 : colon
  return text.startsWith(digits, start) && [',', '}'].includes(text[start + digits.length] ?? '')
}

function isThereTwice(text: string, quotedKey: string): boolean {
  return text.includes(quotedKey, text.indexOf(quotedKey) + 1)
}

/** Of a row's own filters, say. */
function innerKeys(value: unknown): string[] {
  return isRecord(value) ? Object.keys(value) : []
}

function exactRow(row: RawRow & { readonly kind: 'object' }, used: readonly string[]): RawRow {
  try {
    const { value, repeated } = parseExactly(row.text)
    const exact = { ...row, value: value as typeof row.value }
    const inUse = used.flatMap((key) => [key, ...(Object.hasOwn(exact.value, key) ? innerKeys(exact.value[key]) : [])])
    const name = inUse.find((each) => repeated.has(each))
    return name === undefined ? exact : { ...exact, problem: `expected one value for the key "${name}", found two` }
  } catch (error) {
    if (error instanceof RangeError) return { ...row, problem: 'expected one JSON object, found one nested too deep' }
    throw error
  }
}

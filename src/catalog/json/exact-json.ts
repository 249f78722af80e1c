import { compareNumber, isLosslessNumber, LosslessNumber, parse, stringify } from 'lossless-json'
import { isRecord } from '../../domain/json.js'
import type { RawRow } from '../catalog.js'

interface ExactJson {
  readonly value: unknown
  /** Keys that an object in it has twice with different values; the last value counts. */
  readonly repeated: ReadonlySet<string>
}

/**
 * Parses JSON so that numbers keep their digits. `JSON.parse` turns 9007199254740993 into …992, 1.10 into 1.1 and 1e400 into
 * Infinity, so two different ids or titles could become one. Such a number is parsed as a `LosslessNumber` with
 * its text. Any other number is a plain one, which JavaScript writes exactly as it was read.
 *
 * Takes four times as long as `JSON.parse`, so `exactRows` avoids it.
 * @throws SyntaxError for invalid JSON, RangeError for JSON that is nested too deep
 */
export function parseExactly(text: string): ExactJson {
  const repeated = new Set<string>()
  const onDuplicateKey = ({ key, newValue }: { key: string; newValue: unknown }): unknown => {
    repeated.add(key)
    return newValue
  }
  return { value: parse(text, null, { parseNumber, onDuplicateKey }), repeated }
}

/** Rows and answers are stored as text. Text that is not JSON is returned as it is. */
export function parseStored(text: string): unknown {
  try {
    return parseExactly(text).value
  } catch {
    return text
  }
}

/** A JSON object of `parseExactly`, in which a number may be an object too. */
export function isExactRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return isRecord(value) && !isLosslessNumber(value)
}

/** The JSON text of a value from `parseExactly`, indented. */
export function stringifyExactly(value: unknown): string {
  return stringify(value, null, 2) ?? ''
}

/** The same number as a plain one; null: a plain one would be a different number. */
export function plainNumber({ value: text }: LosslessNumber): number | null {
  const value = Number(text)
  return Number.isFinite(value) && compareNumber(String(value), text) === 0 ? value : null
}

function parseNumber(text: string): number | LosslessNumber {
  const value = Number(text)
  return String(value) === text ? value : new LosslessNumber(text)
}

/**
 * Numbers that JavaScript would write differently: more than 15 digits, an exponent, a trailing zero after the
 * point, less than a millionth, minus zero. One of the characters at the start always precedes a number.
 */
const MAY_CHANGE = /(?:^|[\s:,[])-?(?:[\d.]{16}|\d[\d.]*[eE]|\d+\.\d*0(?!\d)|0\.000000)|(?:^|[\s:,[])-0(?!\.)/

/** Whether a JSON text may have a number that JavaScript would change. */
function mayHoldExactNumber(text: string): boolean {
  // The second check skips strings, because of times such as "10:00:00.000".
  return MAY_CHANGE.test(text) && splitStrings(text).some((part) => part[0] !== '"' && MAY_CHANGE.test(part))
}

/** The same JSON without white space between its tokens. The text must be valid JSON. */
export function onOneLine(text: string): string {
  return splitStrings(text)
    .map((part) => (part[0] === '"' ? part : part.replace(/\s+/g, '')))
    .join('')
}

/** Splits a JSON text into its strings and the text between them. A regular expression would overflow its stack. */
export function splitStrings(text: string): string[] {
  const parts: string[] = []
  let at = 0
  for (let open = text.indexOf('"'); open !== -1; open = text.indexOf('"', at)) {
    if (open > at) parts.push(text.slice(at, open))
    at = endOfString(text, open)
    parts.push(text.slice(open, at))
  }
  if (at < text.length) parts.push(text.slice(at))
  return parts
}

function endOfString(text: string, open: number): number {
  for (let close = text.indexOf('"', open + 1); close !== -1; close = text.indexOf('"', close + 1)) {
    let backslashes = 0
    while (text[close - 1 - backslashes] === '\\') backslashes++
    if (backslashes % 2 === 0) return close + 1
  }
  return text.length
}

/**
 * Returns a function that keeps the digits of the values that are used. A key that a row has twice, with
 * different values, becomes that row's problem.
 *
 * For most rows `JSON.parse` is enough: the used values are texts, or numbers written as JavaScript writes
 * them. Only the other rows are parsed again, by a slower parser that keeps digits.
 */
export function exactRows(used: readonly string[]): (row: RawRow) => RawRow {
  const quoted = used.map((name) => JSON.stringify(name))
  // One pass over the row is faster than one for each key.
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

/** A key may be written with escapes, such as "\u0069d". */
const ESCAPED_KEY = /"[^"\\]*\\[^"]*"\s*:/

/** Whether JavaScript writes the value as it is written after its key. */
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

/** The keys of a value that is an object itself, such as a row's filters. */
function innerKeys(value: unknown): string[] {
  return isExactRecord(value) ? Object.keys(value) : []
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

/**
 * Parses JSON for a script. A whole number that JavaScript would round becomes a BigInt; any other number that
 * it would change becomes a string of its digits.
 */
export function parseForScript(text: string): unknown {
  try {
    return mayHoldExactNumber(text) ? withoutLosslessNumbers(parseExactly(text).value) : JSON.parse(text)
  } catch (error) {
    // Nested too deep for the parser that keeps digits.
    if (error instanceof RangeError) return JSON.parse(text)
    throw error
  }
}

function withoutLosslessNumbers(value: unknown): unknown {
  if (isLosslessNumber(value)) {
    return plainNumber(value) ?? (/^-?\d+$/.test(value.value) ? BigInt(value.value) : value.value)
  }
  if (Array.isArray(value)) return value.map(withoutLosslessNumbers)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, withoutLosslessNumbers(each)]))
}

import { isLosslessNumber } from 'lossless-json'
import { didYouMean } from '../domain/did-you-mean.js'
import { UsageError } from '../domain/errors.js'
import { truncate } from '../domain/format.js'
import { type Filters, MAX_LIMIT } from '../domain/request.js'
import { isExactRecord, parseExactly, plainNumber } from './json/exact-json.js'

/**
 * Checks limit, offset and filters before they cost a credit. Filters with a documented type must have it
 * (source: the API document, POST /search). Undocumented filters are passed through, since the list is known
 * to be incomplete. A problem is returned as "expected …, found …"; the caller makes it the error of a row or
 * of the command.
 */

const DEEPEST = 6

export function filterProblem(filters: unknown): string | null {
  if (!isFilters(filters)) return `expected filters to be a JSON object, found ${describeValue(filters)}`
  for (const [name, value] of Object.entries(filters)) {
    const expected = expectation(name, value)
    if (isTooDeep(value, DEEPEST)) return `expected the filter ${name} to be a plain value, found one nested too deep`
    const changed = changedNumber(value)
    if (changed !== null) return `expected numbers in the filter ${name} that can be sent unchanged, found ${changed}`
    if (expected !== null) return `expected the filter ${name} to be ${expected}, found ${describeValue(value)}`
  }
  const { min_bpm: least, max_bpm: most } = filters
  if (typeof least !== 'number' || typeof most !== 'number' || least <= most) return null
  return `expected min_bpm to be at most max_bpm, found ${least} and ${most}`
}

/** API document: "limit number 1–100". */
export function limitProblem(limit: unknown): string | null {
  if (Number.isInteger(limit) && Number(limit) >= 1 && Number(limit) <= MAX_LIMIT) return null
  return `expected limit to be a whole number from 1 to ${MAX_LIMIT}, found ${describeValue(limit)}`
}

export function offsetProblem(offset: unknown): string | null {
  if (Number.isSafeInteger(offset) && Number(offset) >= 0) return null
  return `expected offset to be a whole number from 0, found ${describeValue(offset)}`
}

/**
 * Reads `--filters`.
 * @throws UsageError when it is not a JSON object, or a filter has the wrong type
 */
export function parseFilters(text: string): Filters {
  let filters: unknown
  try {
    filters = withPlainNumbers(parseExactly(text).value)
  } catch {
    throw new UsageError(`--filters: expected JSON such as '{"genres":["ambient"]}', found ${describeValue(text)}.`)
  }
  const problem = filterProblem(filters)
  if (problem !== null) throw new UsageError(`--filters: ${problem}.`)
  return filters as Filters
}

/** Any JSON object may be filters. A script may pass a Map, which has no keys of its own. */
export function isFilters(value: unknown): value is Filters {
  return isExactRecord(value) && !(Symbol.iterator in value)
}

/**
 * Turns exact numbers into plain ones, which a request needs: 1.10 becomes 1.1, the same number. A number that
 * would change (9007199254740993, 1e400) stays exact, and `filterProblem` reports it.
 */
export function withPlainNumbers(value: unknown, levels: number = DEEPEST + 1): unknown {
  if (isLosslessNumber(value)) return plainNumber(value) ?? value
  // `filterProblem` refuses deeper nesting.
  if (typeof value !== 'object' || value === null || levels < 0) return value
  if (Array.isArray(value)) return value.map((inner) => withPlainNumbers(inner, levels - 1))
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, withPlainNumbers(inner, levels - 1)]))
}

/** The first number in it that a plain number would change; null: none. */
function changedNumber(value: unknown): string | null {
  if (isLosslessNumber(value)) return value.value
  if (typeof value === 'bigint') return describeValue(value)
  if (typeof value !== 'object' || value === null) return null
  for (const inner of Object.values(value)) {
    const changed = changedNumber(inner)
    if (changed !== null) return changed
  }
  return null
}

/** What the filter should be; null: it is. */
function expectation(name: string, value: unknown): string | null {
  switch (name) {
    case 'genres':
    case 'moods':
      return Array.isArray(value) && value.every((entry) => typeof entry === 'string') ? null : 'a list of texts'
    case 'has_vocals':
      return typeof value === 'boolean' ? null : 'true or false'
    case 'min_bpm':
    case 'max_bpm':
      return typeof value === 'number' && value >= 40 && value <= 200 ? null : 'a number from 40 to 200'
    default:
      return null
  }
}

function isTooDeep(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  return levels === 0 || Object.values(value).some((inner) => isTooDeep(inner, levels - 1))
}

const LONGEST_FOUND = 40

/** What a value is, for messages of the form "expected …, found …". */
export function describeValue(value: unknown): string {
  if (value === undefined) return 'nothing'
  if (isLosslessNumber(value)) return truncate(value.value, LONGEST_FOUND)
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list'
  if (typeof value === 'object' && value !== null) return Symbol.iterator in value ? 'an iterable' : 'an object'
  if (typeof value === 'bigint') return `the BigInt ${truncate(String(value), LONGEST_FOUND)}`
  return truncate(JSON.stringify(value) ?? String(value), LONGEST_FOUND)
}

/**
 * The API document's list of filters is known to be incomplete, so every name is sent. A name close to a
 * documented one is probably misspelt, and the user would notice only after paying.
 */
const DOCUMENTED = ['genres', 'moods', 'has_vocals', 'min_bpm', 'max_bpm']

/** One warning for each name that is probably misspelt. */
export function filterDoubts(names: Iterable<string>): readonly string[] {
  const doubts: string[] = []
  for (const name of names) {
    const near = DOCUMENTED.includes(name) ? null : didYouMean(name, DOCUMENTED)
    if (near !== null) doubts.push(`The API documents no filter "${name}": did you mean ${near}? It is sent as it is.`)
  }
  return doubts
}

import { isRecord } from '../domain/is-record.js'
import type { RawRow } from './catalog.js'
import { earlierProblem } from './row-request.js'

/**
 * Our own JSONL export as a catalog: each line holds the user's row under `row`, behind the facts about it. See
 * export-lines.ts.
 */
const KEYS = ['position', 'id', 'status', 'tags', 'tracks', 'error', 'row']

/** The facts hold no other key `row`, and a quotation mark inside a text is escaped. */
const BEFORE_ROW = /,\s*"row"\s*:\s*/

export function isOfExport(row: RawRow): boolean {
  if (row.kind !== 'object') return false
  const keys = Object.keys(row.value)
  return keys.length === KEYS.length && KEYS.every((key, index) => keys[index] === key)
}

/** A line that somebody has added without these keys is a row itself. */
export function rowInside(line: RawRow): RawRow {
  if (line.kind !== 'object' || !isOfExport(line)) return line
  const { row: value, error } = line.value
  const start = BEFORE_ROW.exec(line.text)
  const text = start === null ? '' : line.text.slice(start.index + start[0].length, line.text.lastIndexOf('}')).trim()
  const hidden = typeof error === 'string' ? earlierProblem(error, '"error"') : null
  const problem = line.problem ?? hidden
  if (isRecord(value)) return { kind: 'object', line: line.line, text, value, ...(problem !== null && { problem }) }
  // It was no object before: cells too many, or a line that was not JSON.
  const found = `expected an object under "row", found ${Array.isArray(value) ? 'a list' : typeof value}`
  return { kind: 'broken', line: line.line, json: text, problem: problem ?? found }
}

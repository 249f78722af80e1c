import { isRecord } from '../../domain/json.js'
import type { RawRow } from '../catalog.js'
import { earlierProblem } from '../row-problems.js'

/**
 * Reads our own JSONL export as a catalog: each line has the user's row under `row`, after the keys that
 * export-batch.ts adds.
 */

const KEYS = ['position', 'id', 'status', 'tags', 'tracks', 'error', 'row']

/** No other key is called `row`, and a quotation mark inside a text is escaped. */
const BEFORE_ROW = /,\s*"row"\s*:\s*/

export function isExportLine(row: RawRow): boolean {
  if (row.kind !== 'object') return false
  const keys = Object.keys(row.value)
  return keys.length === KEYS.length && KEYS.every((key, index) => keys[index] === key)
}

/** The user's row of an export line. A line without these keys was added by hand and is a row itself. */
export function rowInside(line: RawRow): RawRow {
  if (line.kind !== 'object' || !isExportLine(line)) return line
  const { row: value, error } = line.value
  const start = BEFORE_ROW.exec(line.text)
  const text = start === null ? '' : line.text.slice(start.index + start[0].length, line.text.lastIndexOf('}')).trim()
  const hidden = typeof error === 'string' ? earlierProblem(error, '"error"') : null
  const problem = line.problem ?? hidden
  if (isRecord(value)) return { kind: 'object', line: line.line, text, value, ...(problem !== null && { problem }) }
  // The row was no object: it had surplus cells, or was not JSON.
  const found = `expected an object under "row", found ${Array.isArray(value) ? 'a list' : typeof value}`
  return { kind: 'broken', line: line.line, json: text, problem: problem ?? found }
}

import { LONGEST_LINE_BYTES } from './blocks.js'
import type { RawRow } from './catalog.js'

/** A row in place of one that is too long to be read. */
export function tooLongRow(line: number, bytes: number, json: string, lines = 1): RawRow {
  const most = `${LONGEST_LINE_BYTES / 1024 / 1024} MB`
  const found = `${(bytes / 1024 / 1024).toFixed(1)} MB`
  const over = lines === 1 ? '' : ` over ${lines} lines`
  return { kind: 'broken', line, json, problem: `expected a row of at most ${most}, found one of ${found}${over}` }
}

import { LONGEST_LINE_BYTES, type LongLine } from './blocks.js'
import type { RawRow } from './catalog.js'

/** A row in place of a line that is too long to be read. */
export function longLineRow({ line, bytes }: LongLine, json: string): RawRow {
  const most = `${LONGEST_LINE_BYTES / 1024 / 1024} MB`
  const found = `${(bytes / 1024 / 1024).toFixed(1)} MB`
  return { kind: 'broken', line, json, problem: `expected a line of at most ${most}, found one of ${found}` }
}

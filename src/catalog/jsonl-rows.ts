import { isRecord } from '../domain/is-record.js'
import type { Block } from './blocks.js'
import type { RawRow } from './catalog.js'
import { tooLongRow } from './long-line.js'

/** Blocks of JSON lines into rows. Lines of white space only are no records. */
export async function* readJsonl(blocks: AsyncIterable<Block>): AsyncGenerator<RawRow[], void, undefined> {
  let line = 1
  for await (const block of blocks) {
    if (!Buffer.isBuffer(block)) {
      yield [tooLongRow(block.line, block.bytes, JSON.stringify(block.beginning))]
      line++
      continue
    }
    const lines = block.toString('utf8').split('\n')
    if (lines.at(-1) === '') lines.pop()
    const rows: RawRow[] = []
    for (const whole of lines) {
      const text = whole.trim()
      if (text !== '') rows.push(jsonRow(text, line))
      line++
    }
    yield rows
  }
}

/** One JSON text, which should be an object. */
export function jsonRow(text: string, line: number): RawRow {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    const problem = `expected one JSON object, found what is not JSON: ${beginning(text)}`
    return { kind: 'broken', line, json: JSON.stringify(text), problem }
  }
  if (isRecord(value)) return { kind: 'object', line, text, value }
  return { kind: 'broken', line, json: text, problem: `expected one JSON object, found ${beginning(text)}` }
}

/** Of a text, on one line. */
export function beginning(text: string): string {
  const shown = text.slice(0, 100).replace(/\s+/g, ' ')
  return shown.length <= 40 ? shown : `${shown.slice(0, 40)}…`
}

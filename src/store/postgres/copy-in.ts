import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type pg from 'pg'
import copyStreams from 'pg-copy-streams'
import type { SqlValue } from '../engine.js'
import { withoutNul } from './without-nul.js'

/** Characters per piece, so that what is on its way stays small. */
const PIECE = 64 * 1024

/**
 * Many rows by COPY: half the work of an `insert` for client and server.
 * @param into table and columns: `want (batch_id, search_id)`
 */
export async function copyIn(
  client: pg.Client,
  into: string,
  width: number,
  values: readonly SqlValue[],
): Promise<void> {
  const stream = client.query(copyStreams.from(`copy ${into} from stdin`))
  await pipeline(Readable.from(pieces(width, values)), stream)
}

function* pieces(width: number, values: readonly SqlValue[]): Generator<Buffer> {
  let text = ''
  for (let at = 0; at < values.length; at += width) {
    text += written(values[at])
    for (let column = 1; column < width; column += 1) text += `\t${written(values[at + column])}`
    text += '\n'
    if (text.length < PIECE) continue
    yield Buffer.from(text)
    text = ''
  }
  if (text !== '') yield Buffer.from(text)
}

/** In COPY's text format. */
function written(value: SqlValue | undefined): string | number {
  if (value === null || value === undefined) return '\\N'
  if (typeof value === 'number') return value
  if (typeof value === 'string') return SPECIAL.test(value) ? escaped(withoutNul(value)) : value
  return `\\\\x${value.toString('hex')}`
}

const SPECIAL = /[\\\n\r\t\0]/
const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' }

function escaped(text: string): string {
  return text.replace(/[\\\n\r\t]/g, (special) => ESCAPES[special] ?? special)
}

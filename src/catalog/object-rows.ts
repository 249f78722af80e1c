import { stringify } from 'lossless-json'
import { NEVER_ABORTED } from '../domain/abortable.js'
import { UsageError } from '../domain/errors.js'
import { isRecord } from '../domain/json.js'
import {
  type Catalog,
  LONG_ROW_KEPT_CHARACTERS,
  LONGEST_ROW_BYTES,
  type RawRow,
  ROW_WORDS,
  tooLongRow,
} from './catalog.js'
import { excerpt } from './json/jsonl-rows.js'
import { firstRows, prepend, readOnce } from './row-chunks.js'

/** How many rows are read to learn their properties. */
const SAMPLE_ROWS = 100

/**
 * A script's objects as a catalog, as if they came from a JSON Lines file. A row keeps its JSON text, and its
 * value too, which saves parsing most rows. Once the signal is aborted, the source is ended at its next row.
 * @throws UsageError if there are none, or a row of the first hundred cannot be written as JSON
 */
export async function openObjects(
  rows: Iterable<unknown> | AsyncIterable<unknown>,
  name: string,
  signal: AbortSignal = NEVER_ABORTED,
): Promise<Catalog> {
  const chunks = rawRows(rows, signal)
  // Not awaited: it never ends if the source is in a wait that never ends.
  const close = (): void => void chunks.return().catch(() => {})
  const first = await firstRows(chunks, SAMPLE_ROWS)
  if (first.length === 0) throw new UsageError('Expected rows, found none: nothing to submit.')
  const objects = first.filter((row) => row.kind === 'object')
  if (objects.length === 0) {
    close()
    const among = first.length === 1 ? '' : ` among the first ${first.length}`
    throw new UsageError(`Expected objects as rows, found none${among}.`)
  }
  return {
    name,
    words: ROW_WORDS,
    format: 'jsonl',
    delimiter: null,
    quoting: 'csv',
    preamble: '',
    byteOrderMark: false,
    columns: [],
    names: [...new Set(objects.flatMap((row) => Object.keys(row.value)))],
    notes: [],
    rows: readOnce(prepend(first, chunks), close),
    close,
  }
}

async function* rawRows(
  rows: Iterable<unknown> | AsyncIterable<unknown>,
  signal: AbortSignal,
): AsyncGenerator<RawRow[], void, undefined> {
  let position = 0
  for await (const row of rows) {
    signal.throwIfAborted()
    yield [rawRow(row, ++position)]
  }
}

function rawRow(row: unknown, position: number): RawRow {
  // A web stream does not say what it holds.
  if (ArrayBuffer.isView(row))
    throw new UsageError(
      'Expected objects as rows, found bytes. Pass the file as { path }, or as a stream of Node: Readable.fromWeb(stream).',
    )
  const text = jsonOf(row, position)
  const bytes = Buffer.byteLength(text)
  if (bytes > LONGEST_ROW_BYTES)
    return tooLongRow(position, bytes, JSON.stringify(text.slice(0, LONG_ROW_KEPT_CHARACTERS)))
  if (isRecord(row) && isPlain(row)) return { kind: 'object', line: position, text, value: { ...row } }
  const value: unknown = JSON.parse(text)
  if (isRecord(value)) return { kind: 'object', line: position, text, value }
  return { kind: 'broken', line: position, json: text, problem: `expected an object, found ${excerpt(text)}` }
}

/** Whether parsing its JSON text would give the same properties. Then a copy is enough (the caller may change the row). */
function isPlain(row: Readonly<Record<string, unknown>>): boolean {
  return (
    !('toJSON' in row) &&
    Object.values(row).every(
      (value) => typeof value === 'string' || typeof value === 'boolean' || value === null || Number.isFinite(value),
    )
  )
}

/** A BigInt is written as a number with all its digits. */
function jsonOf(row: unknown, position: number): string {
  try {
    let hasBigInt = false
    const text = JSON.stringify(row, (_key, value: unknown) => {
      if (typeof value !== 'bigint') return value
      hasBigInt = true
      return null
    })
    return (hasBigInt ? stringify(row) : text) ?? 'null'
  } catch (error) {
    // A circular reference.
    const found = error instanceof Error ? error.message.split('\n')[0] : String(error)
    throw new UsageError(`Row ${position}: expected values that JSON can represent (${found}).`, { cause: error })
  }
}

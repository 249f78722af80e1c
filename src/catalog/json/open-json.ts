import { CatalogError } from '../../domain/errors.js'
import type { OpenedText, RawRow } from '../catalog.js'
import type { TextSource } from '../input/text.js'
import { firstRows, prepend, withBadLines } from '../row-chunks.js'
import { createScanner } from './json-scanner.js'
import { jsonShape, listInObjectError, listPath } from './json-shape.js'
import { readJsonValues } from './json-values.js'
import { readJsonl } from './jsonl-rows.js'
import { isExportLine, rowInside } from './row-in-export.js'

/** How many rows of a JSON catalog are read to learn its keys. */
const SAMPLE_ROWS = 100

/** Detects the shape and the keys of a JSON text. @throws CatalogError if it has no rows that are objects */
export async function openJson(text: TextSource, name: string): Promise<OpenedText> {
  const head = text.head.toString('utf8')
  const shape = jsonShape(head)
  if (shape === 'values') requireRows(head, name)
  const all = shape === 'lines' ? readJsonl(text.pieces) : readJsonValues(text.pieces, shape === 'list')
  const asWritten = withBadLines(all, text.badLines)
  const first = await firstRows(asWritten, SAMPLE_ROWS)
  const isExport = first.length > 0 && first.every(isExportLine)
  const rows = isExport ? first.map(rowInside) : first
  const chunks = isExport ? rowsInside(asWritten) : asWritten
  const objects = rows.slice(0, SAMPLE_ROWS).filter((row) => row.kind === 'object')
  if (objects.length === 0) {
    const expected = shape === 'lines' ? 'one JSON object per line' : 'a list of JSON objects'
    throw new CatalogError(
      `${name}: expected ${expected}, found ${rows.length === 0 ? 'an empty list' : foundInstead(rows)}.`,
    )
  }
  return {
    format: 'jsonl',
    delimiter: null,
    quoting: 'csv',
    preamble: '',
    columns: [],
    names: [...new Set(objects.flatMap((row) => Object.keys(row.value)))],
    notes: isExport ? [...SHAPE_NOTES[shape], 'the rows in an export'] : SHAPE_NOTES[shape],
    chunks: prepend(rows, chunks),
  }
}

async function* rowsInside(chunks: AsyncIterable<RawRow[]>): AsyncGenerator<RawRow[], void, undefined> {
  for await (const chunk of chunks) yield chunk.map(rowInside)
}

const SHAPE_NOTES = { lines: [], list: ['a JSON list'], values: ['JSON objects over several lines'] } as const

function foundInstead(rows: readonly RawRow[]): string {
  const among = Math.min(rows.length, SAMPLE_ROWS)
  return among === 1 ? 'none' : `none among the first ${among}`
}

/** An object that does not end within the head is the whole file, not a row. */
function requireRows(head: string, name: string): void {
  const path = createScanner(head.search(/\S/), true).scan(head).kind === 'more' ? listPath(head) : null
  if (path !== null) throw listInObjectError(name, path)
}

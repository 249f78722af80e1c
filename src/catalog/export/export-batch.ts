import type { Writable } from 'node:stream'
import { NEVER_ABORTED, orAborted } from '../../domain/abortable.js'
import { ROW_STATUSES, type RowStatus } from '../../domain/states.js'
import type { Batch, ExportRow } from '../../store/store.js'
import { csvWriter, exportedRow, jsonlWriter } from './export-lines.js'
import { openTarget } from './export-target.js'

export interface ExportOrder {
  /** In input order. */
  readonly rows: AsyncIterable<ExportRow>
  readonly batch: Pick<
    Batch,
    'name' | 'catalogPath' | 'format' | 'delimiter' | 'byteOrderMark' | 'quoting' | 'preamble' | 'columns'
  >
  readonly format: 'csv' | 'jsonl'
  /** For CSV: guard all cells, the user's own too, so that none runs as a formula. */
  readonly spreadsheetSafe?: boolean | undefined
  /** A path, or a stream that somebody else closes (standard output). */
  readonly out: string | Writable
  /** Stops the export, leaves no file, and throws the signal's reason. */
  readonly signal?: AbortSignal | undefined
}

export interface ExportResult {
  readonly rows: number
  readonly byStatus: Readonly<Record<RowStatus, number>>
  /** Null when it went to a stream. */
  readonly path: string | null
}

const ROWS_PER_WRITE = 256
/** A row may be long. */
const CHARACTERS_PER_WRITE = 1024 * 1024

/**
 * Writes every row of the batch, in input order, with its status and its tags. Rows are read from the store
 * and written a few hundred at a time, and each write is awaited, so memory stays flat however slow the disk
 * or the pipe. Each row becomes text at once: a parsed answer is two hundred objects, too many to keep.
 * @throws UsageError where the file cannot be written; the signal's reason when it was stopped
 */
export async function exportBatch({
  rows,
  batch,
  format,
  spreadsheetSafe,
  out,
  signal = NEVER_ABORTED,
}: ExportOrder): Promise<ExportResult> {
  signal.throwIfAborted()
  const writer = format === 'csv' ? csvWriter(batch, { spreadsheetSafe: spreadsheetSafe === true }) : jsonlWriter(batch)
  const target = await openTarget(out, batch.catalogPath, signal)
  const byStatus = Object.fromEntries(ROW_STATUSES.map((status) => [status, 0])) as Record<RowStatus, number>
  let count = 0
  let lines: string[] = []
  let characters = 0
  // A pipe that nobody reads may never take the text: the signal ends the wait.
  const write = async (text: string) => {
    signal.throwIfAborted()
    if (text !== '') await orAborted(target.write(text), signal)
  }
  const flush = async () => {
    const text = lines.join('')
    lines = []
    characters = 0
    await write(text)
  }
  try {
    await write(writer.header)
    for await (const row of rows) {
      signal.throwIfAborted()
      const text = writer.line(exportedRow(row))
      lines.push(text)
      characters += text.length
      byStatus[row.status]++
      count++
      if (lines.length === ROWS_PER_WRITE || characters >= CHARACTERS_PER_WRITE) await flush()
    }
    await flush()
    signal.throwIfAborted()
    await target.finish()
  } catch (error) {
    await target.abandon()
    throw error
  }
  return { rows: count, byStatus, path: target.path }
}

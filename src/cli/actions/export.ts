import { resolve } from 'node:path'
import { findBatch } from '../../batches/find-batch.js'
import type { ExportResult } from '../../catalog/export-batch.js'
import { type ExitCode, RefusedError, UsageError } from '../../domain/errors.js'
import { ROW_STATUSES } from '../../domain/states.js'
import type { Batch, ExportRow } from '../../store/store.js'
import type { Cli } from '../cli.js'
import { interruptible } from '../interrupt.js'
import { isClosed } from '../io.js'
import { openProgressLine } from '../progress-line.js'
import { formatNumber, pluralize } from '../render/words.js'
import { withSession } from '../session.js'

export interface ExportOptions {
  readonly format?: 'csv' | 'jsonl'
  readonly out?: string
  readonly spreadsheetSafe?: boolean
}

export async function exportTo(cli: Cli, name: string | null, options: ExportOptions): Promise<ExitCode> {
  return withSession(cli, async (session) => {
    const batch = await findBatch(session, name)
    if (batch.state === 'loading') {
      throw new RefusedError(
        `Batch ${batch.id} (${batch.name}) is being loaded by a submit, so its rows are not all here: export it after its release.`,
      )
    }
    const rows = session.store.reports.exportRows(batch.id)
    const code = await interruptible<ExitCode>(
      cli,
      (signal) => write(cli, { batch, rows, options, signal }),
      () => {
        cli.say('Interrupted: nothing was replaced; an export costs nothing, so start it again.')
        return 1
      },
    )
    // The rows are whole: they are read from the open file.
    const trouble = session.store.trouble()
    if (trouble !== null) cli.say(`The store was lost meanwhile. ${trouble.cause}`)
    return code
  })
}

async function write(
  cli: Cli,
  order: {
    readonly batch: Batch
    readonly rows: AsyncIterable<ExportRow>
    readonly options: ExportOptions
    readonly signal: AbortSignal
  },
): Promise<ExitCode> {
  const { exportBatch } = await import('../../catalog/export-batch.js')
  const { defaultExportPath } = await import('../../catalog/export-path.js')
  const { batch, options, signal } = order
  const format = options.format ?? batch.format
  const { spreadsheetSafe } = options
  if (spreadsheetSafe === true && format !== 'csv') {
    throw new UsageError('--spreadsheet-safe is for CSV: this batch exports as JSONL. Add --format csv.')
  }
  const toStdout = options.out === '-'
  const path = resolve(cli.io.cwd, options.out ?? defaultExportPath(batch, format))
  const line = openProgressLine(cli)
  const rows = countedRows(order.rows, (count) => line.show(`exporting: ${pluralize(count, 'row')}`))
  try {
    const result = await exportBatch({
      rows,
      batch,
      format,
      spreadsheetSafe,
      out: toStdout ? cli.io.stdout : path,
      signal,
    })
    line.clear()
    cli.say(summary(batch, result))
    return 0
  } catch (error) {
    line.clear()
    // `export --out - | head`: the reader has seen enough.
    if (toStdout && isClosed(cli.io.stdout)) return 0
    throw error
  }
}

const TICK_ROWS = 500

async function* countedRows(rows: AsyncIterable<ExportRow>, tick: (count: number) => void): AsyncGenerator<ExportRow> {
  let count = 0
  for await (const row of rows) {
    yield row
    count += 1
    if (count % TICK_ROWS === 0) tick(count)
  }
}

function summary(batch: Batch, result: ExportResult): string {
  const parts = ROW_STATUSES.filter((status) => result.byStatus[status] > 0).map(
    (status) => `${formatNumber(result.byStatus[status])} ${status.replace('_', ' ')}`,
  )
  const where = result.path === null ? 'stdout' : result.path
  return `Batch ${batch.id} (${batch.name}): ${pluralize(result.rows, 'row')} to ${where} (${parts.join(', ')}).`
}

import { resolve } from 'node:path'
import { type Command, Option } from 'commander'
import { findBatch } from '../../batches/find-batch.js'
import type { ExportResult } from '../../catalog/export-batch.js'
import { type ExitCode, RefusedError, UsageError } from '../../domain/errors.js'
import { formatNumber, pluralize } from '../../domain/format.js'
import { ROW_STATUSES } from '../../domain/states.js'
import type { Batch, ExportRow } from '../../store/store.js'
import { type Act, type Cli, isClosed } from '../lib/cli.js'
import { interruptible } from '../lib/interrupt.js'
import { examples } from '../lib/parse.js'
import { openProgressLine } from '../lib/progress.js'
import { withSession } from '../lib/session.js'
import { writeReport } from './report.js'

export function define(command: Command, act: Act): void {
  command
    .description(
      'Writes the tagged catalog: every row of the input, in its order, with exactly one status and its tags.\n' +
        'Works at any time: unfinished rows have a status that says so.',
    )
    .argument('[batch]', 'id or name (default: the latest)')
    .addOption(
      new Option('-f, --format <format>', "output format (default: the catalog's own)").choices(['csv', 'jsonl']),
    )
    .option('-o, --out <file>', 'output file; - is stdout (default: <catalog>.tagged.<ext> beside the catalog)')
    .option('--spreadsheet-safe', 'CSV: escape your own cells too, if a spreadsheet would run them as formulas')
    .option('--report', 'write the morning report beside it; see `report`')
    .action((batch: string | undefined, options: ExportOptions) => act((cli) => exportTo(cli, batch ?? null, options)))
  examples(
    command,
    'trackyard-batch export',
    'trackyard-batch export night --format jsonl --out tagged.jsonl',
    'trackyard-batch export night --out - | head',
  )
  command.addHelpText(
    'after',
    '\nExit codes: 0 written, 1 interrupted, 2 no such batch or unusable output path,\n4 the batch is still loading.',
  )
}

interface ExportOptions {
  readonly format?: 'csv' | 'jsonl'
  readonly out?: string
  readonly spreadsheetSafe?: boolean
  readonly report?: boolean
}

async function exportTo(cli: Cli, name: string | null, options: ExportOptions): Promise<ExitCode> {
  return withSession(cli, async (session) => {
    const batch = await findBatch(session, name)
    if (batch.state === 'loading') {
      throw new RefusedError(
        `Batch ${batch.id} (${batch.name}) is being loaded by a submit. Export it after its release.`,
        { code: 'batch_loading' },
      )
    }
    const rows = session.store.reports.exportRows(batch.id)
    const code = await interruptible<ExitCode>(
      cli,
      (signal) => write(cli, { batch, rows, options, signal }),
      () => {
        cli.say('Interrupted. No file was replaced. Run the export again; it costs nothing.')
        return 1
      },
    )
    if (options.report === true && code === 0) await writeReport(cli, session, batch.id)
    // The export is complete even if the store was lost: rows are read from the open file.
    const failure = session.store.trouble()
    if (failure !== null) cli.say(`The store was lost during the export. ${failure.cause}`)
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
  const { defaultExportPath } = await import('../../catalog/export-target.js')
  const { batch, options, signal } = order
  const format = options.format ?? batch.format
  const { spreadsheetSafe } = options
  if (spreadsheetSafe === true && format !== 'csv') {
    throw new UsageError('--spreadsheet-safe is for CSV, but this batch exports as JSONL. Add --format csv.')
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
    // The reader closed the pipe: `export --out - | head`.
    if (toStdout && isClosed(cli.io.stdout)) return 0
    throw error
  }
}

const ROWS_PER_TICK = 500

async function* countedRows(rows: AsyncIterable<ExportRow>, tick: (count: number) => void): AsyncGenerator<ExportRow> {
  let count = 0
  for await (const row of rows) {
    yield row
    count += 1
    if (count % ROWS_PER_TICK === 0) tick(count)
  }
}

function summary(batch: Batch, result: ExportResult): string {
  const parts = ROW_STATUSES.filter((status) => result.byStatus[status] > 0).map(
    (status) => `${formatNumber(result.byStatus[status])} ${status.replace('_', ' ')}`,
  )
  const where = result.path === null ? 'stdout' : result.path
  return `Batch ${batch.id} (${batch.name}): ${pluralize(result.rows, 'row')} to ${where} (${parts.join(', ')}).`
}

import { realpath, stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { type Command, Option } from 'commander'
import type { Session } from '../../app/session.js'
import { unreleasedMessage } from '../../batches/abandoned.js'
import { findBatch } from '../../batches/find-batch.js'
import { EXPORT_PREFIX } from '../../catalog/column-names.js'
import { defaultExportPath } from '../../catalog/export/default-path.js'
import type { ExportResult } from '../../catalog/export/export-batch.js'
import { EndedEarlyError, type ExitCode, RefusedError, UsageError } from '../../domain/errors.js'
import { formatNumber, pluralize } from '../../domain/format.js'
import { ROW_STATUSES, type RowStatus } from '../../domain/states.js'
import type { Batch, ExportRow } from '../../store/store.js'
import { type Act, type Cli, isStreamClosed } from '../lib/cli.js'
import { interruptible } from '../lib/interrupt.js'
import { ownPath } from '../lib/own-path.js'
import { addExamples } from '../lib/parse.js'
import { openProgressLine } from '../lib/progress.js'
import { withExistingStore } from '../lib/session.js'
import { writeReport } from './report.js'

export function define(command: Command, act: Act): void {
  command
    .description(
      'Writes the tagged catalog: every row of the input, in its order, with exactly one status and its tags. ' +
        'Works at any time: unfinished rows have a status that says so.',
    )
    .argument('[batch]', 'id or name (default: the latest)')
    .addOption(
      new Option('-f, --format <format>', "output format (default: the catalog's own)").choices(['csv', 'jsonl']),
    )
    .option(
      '-o, --out <file>',
      'output file; - is stdout (default: <catalog>.tagged.<ext> beside the catalog). If the batch has a name of its ' +
        'own, the default is <catalog>.<batch>.tagged.<ext>. If that is the file of another batch, it also contains the id.',
    )
    .option('--spreadsheet-safe', 'CSV: escape your own cells too, if a spreadsheet would run them as formulas')
    .option('--report', 'write the morning report beside it; see `report`')
    .option('--json', 'print one JSON document on stdout; not with --out -')
    .action((batch: string | undefined, options: ExportOptions) => act((cli) => exportTo(cli, batch ?? null, options)))
  addExamples(
    command,
    'trackyard-batch export',
    'trackyard-batch export night --format jsonl --out tagged.jsonl',
    'trackyard-batch export night --out - | head',
  )
  command.addHelpText(
    'after',
    '\nExit codes: 0 written, 1 interrupted, 2 no such batch or unusable output path,\n3 a full disk or a closed pipe, 4 the batch is still loading.',
  )
}

interface ExportOptions {
  readonly format?: 'csv' | 'jsonl'
  readonly out?: string
  readonly spreadsheetSafe?: boolean
  readonly report?: boolean
}

async function exportTo(cli: Cli, name: string | null, options: ExportOptions): Promise<ExitCode> {
  return withExistingStore(cli, async (session) => {
    const batch = await findBatch(session, name)
    const unreleased = unreleasedMessage(batch, session.now())
    if (unreleased !== null)
      throw new RefusedError(`${unreleased} Export it after its release.`, { code: 'batch_loading' })
    const rows = session.store.reports.exportRows(batch.id)
    const code = await interruptible<ExitCode>(
      cli,
      (signal) => write(cli, session, { batch, rows, options, signal }),
      () => {
        throw new EndedEarlyError('Interrupted: no file was replaced.', {
          hint: 'Run the export again; it costs nothing.',
        })
      },
    )
    if (options.report === true && code === 0)
      await writeReport(cli, session, batch.id, { path: await besideExport(cli, options.out) })
    // The export is complete even if the store was lost: rows are read from the open file.
    const failure = session.store.writeFailure()
    if (failure !== null) cli.say(`The store was lost during the export. ${failure.cause}`)
    return code
  })
}

/** The path of the report: beside the export. Undefined: the default, also where that is no file (`/dev/null`). */
async function besideExport(cli: Cli, out: string | undefined): Promise<string | undefined> {
  if (out === undefined || out === '-') return undefined
  // Resolve links first: /dev/stdout may be a link to a file.
  const path = await realpath(resolve(cli.io.cwd, out)).catch(() => null)
  if (path === null || !(await stat(path)).isFile()) return undefined
  return `${path.replace(/\.[^./\\]+$/, '')}.report.html`
}

async function write(
  cli: Cli,
  session: Session,
  order: {
    readonly batch: Batch
    readonly rows: AsyncIterable<ExportRow>
    readonly options: ExportOptions
    readonly signal: AbortSignal
  },
): Promise<ExitCode> {
  const { EXPORT_FILE, exportBatch } = await import('../../catalog/export/export-batch.js')
  const { batch, options, signal } = order
  const format = options.format ?? batch.format
  const { spreadsheetSafe } = options
  if (spreadsheetSafe === true && format !== 'csv') {
    throw new UsageError('--spreadsheet-safe is for CSV, but this batch exports as JSONL. Add --format csv.')
  }
  const toStdout = options.out === '-'
  if (toStdout && cli.json) {
    throw new UsageError('--json and --out - both write to stdout: use one of them.')
  }
  const pathOf = (each: Batch, id?: number) => resolve(cli.io.cwd, defaultExportPath(each, format, id))
  const named = options.out === undefined ? null : resolve(cli.io.cwd, options.out)
  const path = named ?? (await ownPath(session.store, batch, pathOf))
  const line = openProgressLine(cli)
  const rows = countedRows(order.rows, (count) => line.show(`exporting: ${pluralize(count, 'row')}`))
  try {
    const result = await exportBatch({
      rows,
      batch,
      format,
      spreadsheetSafe,
      out: toStdout ? cli.io.stdout : path,
      spared: { batches: await session.store.batches.list(), replaceable: named === null ? EXPORT_FILE : undefined },
      signal,
    })
    line.clear()
    const withoutAnswer = result.rows - result.byStatus.tagged - result.byStatus.no_match
    cli.result('export', {
      batch: batch.id,
      name: batch.name,
      path: result.path,
      format,
      rows: result.rows,
      by_status: result.byStatus,
      without_answer: withoutAnswer,
    })
    cli.say(summary(batch, result))
    if (withoutAnswer > 0) cli.say(warning(withoutAnswer, result, format === 'csv' ? EXPORT_PREFIX : ''))
    return 0
  } catch (error) {
    line.clear()
    // The reader closed the pipe: `export --out - | head`.
    if (toStdout && isStreamClosed(cli.io.stdout)) return 0
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
  const where = result.path ?? 'stdout'
  return `Batch ${batch.id} (${batch.name}): ${pluralize(result.rows, 'row')} to ${where} (${counts(result, ROW_STATUSES)}).`
}

/** "9,800 tagged, 150 no match" */
function counts({ byStatus }: ExportResult, statuses: readonly RowStatus[]): string {
  return statuses
    .filter((status) => byStatus[status] > 0)
    .map((status) => `${formatNumber(byStatus[status])} ${status.replace('_', ' ')}`)
    .join(', ')
}

/** Warns that the export is incomplete. */
function warning(count: number, result: ExportResult, prefix: string): string {
  const { byStatus } = result
  const unanswered = ROW_STATUSES.filter((status) => status !== 'tagged' && status !== 'no_match')
  // Other rows have no error: they wait, or were cancelled.
  const reasons = byStatus.dead + byStatus.invalid > 0 ? `, ${prefix}error why rows are dead or invalid` : ''
  return `Warning: ${pluralize(count, 'row')} ${count === 1 ? 'has' : 'have'} no answer (${counts(result, unanswered)}); ${prefix}status in the export says which${reasons}.`
}

import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { Session } from '../../app/session.js'
import { findBatch, reportOf } from '../../batches/find-batch.js'
import { defaultReportPath } from '../../catalog/export/default-path.js'
import { type ExitCode, UsageError } from '../../domain/errors.js'
import type { Batch } from '../../store/store.js'
import type { Act, Cli } from '../lib/cli.js'
import { ownPath } from '../lib/own-path.js'
import { addExamples } from '../lib/parse.js'
import { withExistingStore } from '../lib/session.js'

export function define(command: Command, act: Act): void {
  command
    .description(
      'Writes the morning report of a batch: one HTML file with what came out, what it cost, charts, pauses, dead letters ' +
        'and invalid rows by cause, and how sure the tags are. It can be opened or mailed as it is.',
    )
    .argument('[batch]', 'id or name (default: the latest)')
    .option('-o, --out <file>', 'output file; - is stdout (default: named like an export, .report.html)')
    .option('--json', 'print one JSON document on stdout; not with --out -')
    .action((name: string | undefined, options: { readonly out?: string }) =>
      act((cli) =>
        withExistingStore(cli, async (session) => {
          if (cli.json && options.out === '-') {
            throw new UsageError('--json and --out - both write to stdout: use one of them.')
          }
          const batch = await findBatch(session, name ?? null)
          const path = await writeReport(cli, session, batch.id, options)
          cli.result('report', { batch: batch.id, name: batch.name, path })
          return 0 satisfies ExitCode
        }),
      ),
    )
  addExamples(command, 'trackyard-batch report', 'trackyard-batch report night --out night.html')
}

interface ReportPlace {
  /** What the user has named: a path, or `-` for stdout. */
  readonly out?: string | undefined
  /** Default: beside the catalog. */
  readonly path?: string | undefined
}

/** @returns where it is; null: on stdout */
export async function writeReport(
  cli: Cli,
  session: Session,
  batchId: number,
  { out, path: beside }: ReportPlace = {},
): Promise<string | null> {
  const { REPORT_FILE, renderReport } = await import('../../web/report.js')
  const report = await reportOf(session.store, batchId)
  if (report === null) throw new UsageError(`Batch ${batchId} is not there any more.`)
  const { batch } = report
  const html = await renderReport(session.store, report, session.now())
  const pathOf = (each: Batch, id?: number) => resolve(cli.io.cwd, defaultReportPath(each, id))
  const named = out === undefined ? null : resolve(cli.io.cwd, out)
  const path = out === '-' ? null : (named ?? beside ?? (await ownPath(session.store, batch, pathOf)))
  const { openTarget } = await import('../../catalog/export/export-target.js')
  const spared = { batches: await session.store.batches.list(), replaceable: named === null ? REPORT_FILE : undefined }
  const target = await openTarget(path ?? cli.io.stdout, spared)
  try {
    await target.write(html)
    await target.finish()
  } catch (error) {
    await target.abandon()
    throw error
  }
  if (path !== null) cli.say(`Report of batch ${batch.id} (${batch.name}): ${path}`)
  return path
}

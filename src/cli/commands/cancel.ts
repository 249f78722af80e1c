import type { Command } from 'commander'
import { cancelBatch, findBatch, reportOf } from '../../batches/find-batch.js'
import { batchStatus } from '../../batches/status.js'
import { type ExitCode, RefusedError } from '../../domain/errors.js'
import { formatNumber, pluralize } from '../../domain/format.js'
import type { BatchReport } from '../../store/store.js'
import { askYesNo, canAsk } from '../lib/ask.js'
import type { Act, Cli } from '../lib/cli.js'
import { interruptible, throwInterrupted } from '../lib/interrupt.js'
import { addExamples } from '../lib/parse.js'
import { withExistingStore } from '../lib/session.js'
import { batchSentence } from '../render/status-text.js'

export function define(command: Command, act: Act): void {
  command
    .description(
      'Stops one batch. Calls in flight finish. The answers so far are kept and can be exported. Searches that other batches want ' +
        'continue. On a terminal it asks first. Also drops a batch that a killed submit left behind.',
    )
    .argument('<batch>', 'id or name')
    .option('-y, --yes', 'do not ask')
    .option('--json', 'print one JSON document on stdout')
    .action((name: string, options: { readonly yes?: boolean }) =>
      act((cli) => cancel(cli, name, options.yes === true)),
    )
  addExamples(command, 'trackyard-batch cancel night')
  command.addHelpText('after', '\nExit codes: 0 cancelled, 2 no such batch, 4 declined, or nothing to cancel.')
}

async function cancel(cli: Cli, name: string, yes: boolean): Promise<ExitCode> {
  return withExistingStore(cli, async (session) => {
    if (!yes && canAsk(cli)) {
      const found = await findBatch(session, name)
      const report = await reportOf(session.store, found.id)
      if (found.state === 'released' && report !== null) await confirm(cli, report)
    }
    const { batch, was } = await cancelBatch(session, name)
    const report = await reportOf(session.store, batch.id)
    cli.result('cancel', {
      batch: batch.id,
      dropped: was === 'dropped',
      progress: report === null ? null : batchStatus(report),
    })
    if (was === 'dropped')
      cli.print(`Batch ${batch.id} (${batch.name}) was not released yet. It was dropped. Nothing was spent.`)
    else if (report !== null) cli.print(batchSentence(report))
    return 0
  })
}

/** @throws RefusedError after a no, EndedEarlyError after Ctrl-C */
async function confirm(cli: Cli, report: BatchReport): Promise<void> {
  const kept = report.batch.tagged + report.batch.noMatch
  const open = report.waiting + report.withheld
  const facts =
    `${batchSentence(report)} ${pluralize(kept, 'answer')} ${kept === 1 ? 'is' : 'are'} kept and can be exported; ` +
    `${formatNumber(open)} unfinished ${open === 1 ? 'row gets' : 'rows get'} none.`
  const isConfirmed = await interruptible(
    cli,
    (signal) => askYesNo(cli, `${facts} Cancel it?`, signal),
    throwInterrupted,
  )
  if (!isConfirmed) throw new RefusedError('Not cancelled: nothing was changed.', { code: 'declined' })
}

import type { Command } from 'commander'
import { cancelBatch } from '../../batches/find-batch.js'
import type { ExitCode } from '../../domain/errors.js'
import type { Act, Cli } from '../lib/cli.js'
import { examples } from '../lib/parse.js'
import { withSession } from '../lib/session.js'
import { batchSentence } from '../render/status.js'

export function define(command: Command, act: Act): void {
  command
    .description(
      'Stops one batch. Calls in flight finish. The answers so far are kept and can be exported. Searches that other batches want ' +
        'continue.\nAlso drops a batch that a killed submit left behind.',
    )
    .argument('<batch>', 'id or name')
    .action((name: string) => act((cli) => cancel(cli, name)))
  examples(command, 'trackyard-batch cancel night')
}

async function cancel(cli: Cli, name: string): Promise<ExitCode> {
  return withSession(cli, async (session) => {
    const { batch, was } = await cancelBatch(session, name)
    if (was === 'dropped') {
      cli.print(`Batch ${batch.id} (${batch.name}) was not released yet. It was dropped. Nothing was spent.`)
      return 0
    }
    const [report] = await session.store.reports.batches({ batchId: batch.id, limit: 1 })
    if (report !== undefined) cli.print(batchSentence(report))
    return 0
  })
}

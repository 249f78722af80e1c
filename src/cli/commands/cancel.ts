import type { Command } from 'commander'
import type { Act } from '../cli.js'
import { examples } from '../parse.js'

export function define(command: Command, act: Act): void {
  command
    .description(
      'Stops one batch. Calls in flight finish. The answers so far are kept and can be exported. Searches that other batches want ' +
        'continue.\nAlso drops a batch that a killed submit left behind.',
    )
    .argument('<batch>', 'id or name')
    .action((name: string) =>
      act(async (cli) => {
        const { cancelBatch } = await import('../../batches/find-batch.js')
        const { withSession } = await import('../session.js')
        const { batchSentence } = await import('../render/status.js')
        return withSession(cli, async (session) => {
          const { batch, was } = await cancelBatch(session, name)
          if (was === 'dropped') {
            cli.print(
              `Batch ${batch.id} (${batch.name}) was left behind by a killed submit. It was dropped. Nothing was spent.`,
            )
            return 0
          }
          const [report] = await session.store.reports.batches({ batchId: batch.id, limit: 1 })
          if (report !== undefined) cli.print(batchSentence(report))
          return 0
        })
      }),
    )
  examples(command, 'trackyard-batch cancel night')
}

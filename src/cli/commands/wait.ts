import type { Command } from 'commander'
import type { Act } from '../cli.js'
import { examples, wholeNumber } from '../parse.js'

export function define(command: Command, act: Act): void {
  command
    .description('Waits until a batch is done and shows its progress: a bar on a terminal, plain lines elsewhere.')
    .argument('[batch]', 'id or name (default: the latest)')
    .option('--timeout <seconds>', 'stop waiting after this time; the work continues', wholeNumber(0))
    .action((name: string | undefined, options: { readonly timeout?: number }) =>
      act(async (cli) => {
        const { findBatch } = await import('../../batches/find-batch.js')
        const { withSession } = await import('../session.js')
        const { waitForBatch } = await import('../actions/wait.js')
        return withSession(cli, async (session) => {
          const batch = await findBatch(session, name ?? null)
          const timeoutMs = options.timeout === undefined ? null : options.timeout * 1000
          return waitForBatch(cli, session, { batchId: batch.id, timeoutMs })
        })
      }),
    )
  examples(command, 'trackyard-batch wait night --timeout 28800 && trackyard-batch export night')
  command.addHelpText(
    'after',
    '\nExit codes: 0 done (dead letters included), 1 dropped before its release, 4 only withheld rows\nremain, 5 timed out or interrupted.',
  )
}

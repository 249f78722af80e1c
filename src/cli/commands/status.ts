import type { Command } from 'commander'
import type { ExitCode } from '../../domain/errors.js'
import { UsageError } from '../../domain/errors.js'
import type { Act } from '../cli.js'
import { examples } from '../parse.js'

export interface StatusOptions {
  readonly watch?: boolean
  readonly json?: boolean
  readonly unknown?: boolean
}

export function define(command: Command, act: Act): void {
  command
    .description('What is done, what is due, what it cost, and one sentence for why it moves or does not.')
    .argument('[batch]', 'id or name (default: the latest 20, none that is unfinished left out for one that is done)')
    .option('-w, --watch', 'look again every second until Ctrl-C')
    .option('--unknown', 'list every call of unknown outcome by name instead')
    .option('--json', 'print one JSON document on stdout')
    .action((batch: string | undefined, options: StatusOptions) =>
      act(async (cli): Promise<ExitCode> => {
        if (options.watch === true && options.json === true) {
          throw new UsageError('--json prints one document and --watch never ends: use one of them.')
        }
        if (options.unknown === true) {
          if (options.watch === true || batch !== undefined) {
            throw new UsageError('--unknown lists the calls of all batches once: leave out the batch and --watch.')
          }
          return (await import('../unknown-outcomes.js')).listUnknownOutcomes(cli, options.json === true)
        }
        return (await import('../actions/status.js')).showStatus(
          cli,
          batch ?? null,
          options.watch === true,
          options.json === true,
        )
      }),
    )
  examples(
    command,
    'trackyard-batch status',
    'trackyard-batch status night --watch',
    'trackyard-batch status --json | jq .queue.reason',
    'trackyard-batch status --unknown',
  )
}

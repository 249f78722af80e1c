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
    .description(
      'Shows what is done, what is due and what it cost. The first line explains the current state: running, rate limited, paused or idle.',
    )
    .argument('[batch]', 'id or name (default: the 20 most recent, unfinished first)')
    .option('-w, --watch', 'refresh every second until Ctrl-C')
    .option('--unknown', 'list every call of unknown outcome instead')
    .option('--json', 'print one JSON document on stdout')
    .action((batch: string | undefined, options: StatusOptions) =>
      act(async (cli): Promise<ExitCode> => {
        if (options.watch === true && options.json === true) {
          throw new UsageError('--json prints one document, but --watch never ends: use one of them.')
        }
        if (options.unknown === true) {
          if (options.watch === true || batch !== undefined) {
            throw new UsageError('--unknown lists the calls of all batches, once. Remove the batch and --watch.')
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

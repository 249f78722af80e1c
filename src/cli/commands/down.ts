import type { Command } from 'commander'
import type { ExitCode } from '../../domain/errors.js'
import { pluralize } from '../../domain/format.js'
import type { Act, Cli } from '../lib/cli.js'
import { addExamples } from '../lib/parse.js'

export function define(command: Command, act: Act): void {
  command
    .description(
      'Asks every worker and board to stop, waits for calls in flight, then stops the private Redis. ' +
        'Nothing is lost; `trackyard-batch up` continues.',
    )
    .option('--json', 'print one JSON document on stdout')
    .action(() => act(stopAll))
  addExamples(command, 'trackyard-batch down')
}

async function stopAll(cli: Cli): Promise<ExitCode> {
  const { settingsOf } = await import('../../app/entry.js')
  const { stopEverything } = await import('../../app/stop.js')
  const { workers, redis, unsaved } = await stopEverything(settingsOf(cli.io))
  cli.result('down', { workers, redis_stopped: redis, unsaved_files: unsaved })
  const stopped = workers === 0 ? 'No worker was running' : `Stopped ${pluralize(workers, 'worker')}`
  cli.print(redis ? `${stopped}; the private Redis is stopped.` : `${stopped}.`)
  if (unsaved.length > 0)
    cli.print(
      `Outcomes of calls, some of them paid, could not be saved in the store. They are in ${unsaved.join(' and ')}. Leave the files there: the next worker of this data directory saves them.`,
    )
  return 0
}

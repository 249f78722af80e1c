import type { Command } from 'commander'
import type { Act } from '../cli.js'
import { examples } from '../parse.js'

export function define(command: Command, act: Act): void {
  command
    .description(
      'Asks every worker and board to stop, waits for calls in flight, then stops the private Redis. ' +
        'Nothing is lost; `trackyard-batch up` continues.',
    )
    .action(() =>
      act(async (cli) => {
        const { settingsOf } = await import('../../app/entry.js')
        const { stopEverything } = await import('../../app/stop.js')
        const { silentLogger } = await import('../../domain/logger.js')
        const { pluralize } = await import('../render/words.js')
        const { workers, redis } = await stopEverything(settingsOf(cli.io), silentLogger)
        const stopped = workers === 0 ? 'No worker was running' : `Stopped ${pluralize(workers, 'worker')}`
        cli.print(redis ? `${stopped}; the private Redis is stopped.` : `${stopped}.`)
        return 0
      }),
    )
  examples(command, 'trackyard-batch down')
}

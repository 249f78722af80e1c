import type { Command } from 'commander'
import type { Act } from '../cli.js'
import { examples } from '../parse.js'

export function define(command: Command, act: Act): void {
  command
    .description(
      'Runs one worker in the foreground: it takes what is due to the API. Several may run on this machine; together ' +
        'they keep to one pace. Ctrl-C lets calls in flight finish; a second one exits at once.',
    )
    .action(() =>
      act(async (cli) => {
        const { runProcess, settingsOf } = await import('../../app/entry.js')
        const { startWorker } = await import('../../app/worker.js')
        const { surroundingsOf } = await import('../session.js')
        cli.whisper(`data directory: ${settingsOf(cli.io).dataDir}`)
        return runProcess(surroundingsOf(cli), startWorker)
      }),
    )
  examples(command, 'TRACKYARD_CONCURRENCY=20 trackyard-batch worker')
}

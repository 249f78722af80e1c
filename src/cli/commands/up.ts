import type { Command } from 'commander'
import type { ChildName } from '../../app/up.js'
import type { Act } from '../cli.js'
import { examples } from '../parse.js'

export function define(command: Command, act: Act): void {
  command
    .description(
      'Runs everything on this machine in the foreground: the private Redis, a worker and the board. Crashed processes are ' +
        'restarted. Ctrl-C lets calls in flight finish. The private Redis keeps running until `trackyard-batch down`.',
    )
    .option('--no-board', 'without Bull Board')
    .action((options: { readonly board: boolean }) =>
      act(async (cli) => {
        const { runProcess, settingsOf } = await import('../../app/entry.js')
        const { startUp } = await import('../../app/up.js')
        const { surroundingsOf } = await import('../session.js')
        const children: ChildName[] = options.board ? ['worker', 'board'] : ['worker']
        cli.detail(`data directory: ${settingsOf(cli.io).dataDir}`)
        return runProcess(surroundingsOf(cli), (_settings, log) => startUp({ children, env: cli.io.env }, log))
      }),
    )
  examples(command, 'trackyard-batch up')
}

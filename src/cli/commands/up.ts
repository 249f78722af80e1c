import type { Command } from 'commander'
import { startUp } from '../../app/up.js'
import type { Act } from '../lib/cli.js'
import { addExamples } from '../lib/parse.js'
import { runInForeground } from '../lib/session.js'

export function define(command: Command, act: Act): void {
  command
    .description(
      'Runs everything on this machine in the foreground: the private Redis, a worker and the board. Crashed processes are ' +
        'restarted. Ctrl-C lets calls in flight finish. The private Redis keeps running until `trackyard-batch down`.',
    )
    .option('--no-board', 'without the board')
    .action(({ board }: { readonly board: boolean }) =>
      act((cli) =>
        runInForeground(cli, (settings, log) =>
          startUp({ children: board ? ['worker', 'board'] : ['worker'], env: cli.io.env, settings }, log),
        ),
      ),
    )
  addExamples(command, 'trackyard-batch up')
}

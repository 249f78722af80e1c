import type { Command } from 'commander'
import type { Act } from '../lib/cli.js'
import { addExamples } from '../lib/parse.js'
import { runInForeground } from '../lib/session.js'

export function define(command: Command, act: Act): void {
  command
    .description(
      'Runs the board in the foreground, with health, readiness and metrics, on TRACKYARD_BOARD_HOST ' +
        '(127.0.0.1) and TRACKYARD_BOARD_PORT (3210).',
    )
    .action(() =>
      act((cli) =>
        runInForeground(cli, async (...started) => {
          const { startBoardProcess } = await import('../../app/board.js')
          const board = await startBoardProcess(...started)
          cli.print(`Board: ${board.url}`)
          return board
        }),
      ),
    )
  addExamples(command, 'TRACKYARD_BOARD_PORT=8080 trackyard-batch board')
}

import type { Command } from 'commander'
import type { Act } from '../cli.js'
import { examples } from '../parse.js'

export function define(command: Command, act: Act): void {
  command
    .description(
      'Runs Bull Board in the foreground, with health, readiness and metrics, on TRACKYARD_BOARD_HOST ' +
        '(127.0.0.1) and TRACKYARD_BOARD_PORT (3210).',
    )
    .action(() =>
      act(async (cli) => {
        const { runProcess, settingsOf } = await import('../../app/entry.js')
        const { startBoardProcess } = await import('../../app/board.js')
        const { surroundingsOf } = await import('../session.js')
        cli.detail(`data directory: ${settingsOf(cli.io).dataDir}`)
        return runProcess(surroundingsOf(cli), async (settings, log, interrupted) => {
          const board = await startBoardProcess(settings, log, interrupted)
          cli.print(`Bull Board: ${board.url}`)
          return board
        })
      }),
    )
  examples(command, 'TRACKYARD_BOARD_PORT=8080 trackyard-batch board')
}

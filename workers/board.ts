#!/usr/bin/env node
import { startBoardProcess } from '../src/app/board.js'
import { runProcess } from '../src/app/entry.js'
import { workingDirectory } from '../src/app/process.js'

/** The board process: Bull Board, health, metrics. See `trackyard-batch board --help`. */
// exit(): whatever is still open belongs to work that was abandoned after the grace period.
process.exit(
  await runProcess(
    {
      env: process.env,
      get cwd() {
        return workingDirectory()
      },
      stderr: process.stderr,
    },
    startBoardProcess,
  ),
)

#!/usr/bin/env node
import { startBoardProcess } from '../src/app/board.js'
import { runProcess } from '../src/app/entry.js'
import { workingDirectory } from '../src/app/process.js'

/** The board process: Bull Board, health, metrics. See `trackyard-batch board --help`. */
// exit(), because what is still open now belongs to work that the grace has given up.
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

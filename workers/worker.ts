#!/usr/bin/env node
import { runProcess } from '../src/app/entry.js'
import { workingDirectory } from '../src/app/process.js'
import { startWorker } from '../src/app/start-worker.js'

/** The worker process: takes searches to the API until it is told to stop. See `trackyard-batch worker --help`. */
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
    startWorker,
  ),
)

#!/usr/bin/env node
import { runProcess } from '../src/app/entry.js'
import { workingDirectory } from '../src/app/process.js'
import { startWorker } from '../src/app/start-worker.js'

/** The worker process: makes calls until it is stopped. See `trackyard-batch worker --help`. */
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
    startWorker,
  ),
)

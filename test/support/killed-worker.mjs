import { cleanupOnError } from '../../dist/src/app/cleanup.js'
import { runProcess } from '../../dist/src/app/entry.js'
import { openConfiguredApi, openConfiguredQueue, openConfiguredStore } from '../../dist/src/app/parts.js'
import { runWorker } from '../../dist/src/app/worker.js'
import { killAt } from './kill-at.mjs'

/** The built worker, with one point at which it dies. */
async function start(settings, log) {
  return cleanupOnError(async (cleanup) => {
    const api = await openConfiguredApi(settings, cleanup)
    const store = await openConfiguredStore(settings, log, cleanup)
    const queue = await openConfiguredQueue(settings, log, cleanup)
    return runWorker({ settings, log, ...killAt({ store, queue, api }) }, cleanup)
  })
}

process.exit(await runProcess({ env: process.env, cwd: process.cwd(), stderr: process.stderr }, start))

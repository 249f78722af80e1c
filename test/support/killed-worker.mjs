import { cleanupOnError } from '../../dist/src/app/cleanup.js'
import { runProcess } from '../../dist/src/app/entry.js'
import { HOST_PREFIX } from '../../dist/src/app/healthy.js'
import { openConfiguredApi, openConfiguredQueue, openConfiguredStore } from '../../dist/src/app/parts.js'
import { runWorker } from '../../dist/src/app/worker.js'
import { bindStoreToApi } from '../../dist/src/control/same-api.js'
import { systemClock } from '../../dist/src/domain/clock.js'
import { killAt } from './kill-at.mjs'

/** The built worker, with one point at which it dies. */
async function start(settings, log) {
  return cleanupOnError(async (cleanup) => {
    const api = await openConfiguredApi(settings, cleanup)
    const store = await openConfiguredStore(settings, log, cleanup)
    await bindStoreToApi({ store, apiUrl: settings.apiUrl })
    const queue = await openConfiguredQueue(settings, log, cleanup, systemClock)
    const parts = { settings, log, clock: systemClock, workerId: HOST_PREFIX + process.pid }
    return runWorker({ ...parts, ...killAt({ store, queue, api }) }, cleanup)
  })
}

process.exit(await runProcess({ env: process.env, cwd: process.cwd(), stderr: process.stderr }, start))

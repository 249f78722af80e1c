import { cleanupOnError } from '../../dist/src/app/cleanup.js'
import { runProcess } from '../../dist/src/app/entry.js'
import { HOST_PREFIX } from '../../dist/src/app/healthy.js'
import { openConfiguredApi, openConfiguredStore } from '../../dist/src/app/parts.js'
import { runWorker } from '../../dist/src/app/worker.js'
import { bindStoreToApi } from '../../dist/src/control/same-api.js'
import { systemClock } from '../../dist/src/domain/clock.js'
import { openSearchQueue } from '../../dist/src/queue/search-queue.js'
import { die } from './kill-at.mjs'

/**
 * The built worker, for which one search is poison: it dies each time it calls it. What has taken its worker down
 * twice rests for up to a second here instead of a minute, and the calls of the dead count as open for as long:
 * only one worker runs at a time.
 */
async function start(settings, log) {
  return cleanupOnError(async (cleanup) => {
    const api = await openConfiguredApi(settings, cleanup)
    const store = await openConfiguredStore(settings, log, cleanup)
    await bindStoreToApi({ store, apiUrl: settings.apiUrl })
    const queue = await openSearchQueue({
      connection: { url: settings.redisUrl.reveal() },
      log,
      longestStallDelayMs: 1000,
    })
    cleanup.add(() => queue.close())
    const openCallMaxAgeMs = 1000
    const calls = { ...store.calls, claim: (ref, rules) => store.calls.claim(ref, { ...rules, openCallMaxAgeMs }) }
    const searches = { ...queue.searches, work: (options) => queue.searches.work({ ...options, openCallMaxAgeMs }) }
    const search = (request) => (request.query.startsWith(process.env.POISON) ? die() : api.search(request))
    const parts = { settings, log, clock: systemClock, workerId: HOST_PREFIX + process.pid }
    return runWorker(
      { ...parts, store: { ...store, calls }, queue: { ...queue, searches }, api: { ...api, search } },
      cleanup,
    )
  })
}

process.exit(await runProcess({ env: process.env, cwd: process.cwd(), stderr: process.stderr }, start))

import { opening } from '../../dist/src/app/closers.js'
import { runProcess } from '../../dist/src/app/entry.js'
import { openCaller, openRecord } from '../../dist/src/app/parts.js'
import { workWith } from '../../dist/src/app/worker.js'
import { openQueue } from '../../dist/src/queue/open.js'
import { die } from './kill-at.mjs'

/**
 * The built worker, for which one search is poison: it dies each time it calls it. What has taken its worker down
 * twice rests for up to four seconds here instead of a minute.
 */
async function start(settings, log) {
  return opening(async (closers) => {
    const api = openCaller(settings, closers)
    const store = await openRecord(settings, log, closers)
    const queue = await openQueue({
      connection: { url: settings.redisUrl.reveal() },
      log: log,
      longestRestMs: 4000,
      deadLetterLocks: { durationMs: settings.lockDurationMs, stalledIntervalMs: settings.stalledIntervalMs },
    })
    closers.add(() => queue.close())
    const search = (request) => (request.query.startsWith(process.env.POISON) ? die() : api.search(request))
    return workWith({ settings, log, store, queue, api: { ...api, search } }, closers)
  })
}

process.exit(await runProcess({ env: process.env, cwd: process.cwd(), stderr: process.stderr }, start))

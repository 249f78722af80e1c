import { opening } from '../../dist/src/app/closers.js'
import { runProcess } from '../../dist/src/app/entry.js'
import { openCaller, openDelivery, openRecord } from '../../dist/src/app/parts.js'
import { workWith } from '../../dist/src/app/worker.js'
import { killAt } from './kill-at.mjs'

/** The built worker, with one point at which it dies. */
async function start(settings, log) {
  return opening(async (closers) => {
    const api = openCaller(settings, closers)
    const store = await openRecord(settings, log, closers)
    const queue = await openDelivery(settings, log, closers)
    return workWith({ settings, log, ...killAt({ store, queue, api }) }, closers)
  })
}

process.exit(await runProcess({ env: process.env, cwd: process.cwd(), stderr: process.stderr }, start))

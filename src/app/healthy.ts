import { hostname } from 'node:os'
import type { Settings } from '../config/settings.js'
import { silentLogger } from '../domain/logger.js'
import { within } from '../domain/within.js'
import { opening } from './closers.js'
import { openRunningDelivery } from './parts.js'

/**
 * What a container's health check asks. A worker says every few seconds, in Redis, that it lives; its id begins with the
 * host name, which is each container's own.
 */
export const HERE = `${hostname()} `

const ANSWER_WITHIN_MS = 5000

/**
 * Whether a worker on this host has said so lately (in the last 15 seconds).
 * @throws UnreachableError when Redis does not answer
 */
export async function workerLivesHere(settings: Settings): Promise<boolean> {
  return opening(async (closers) => {
    const queue = await openRunningDelivery(settings, silentLogger, closers)
    const alive =
      queue === null
        ? 0
        : await within(ANSWER_WITHIN_MS, queue.fleet.workers(HERE), `${queue.fleet.describe()} does not answer.`)
    await closers.closeAll()
    return alive > 0
  })
}

import { hostname } from 'node:os'
import type { Settings } from '../config/settings.js'
import { silentLogger } from '../domain/logger.js'
import { withTimeout } from '../domain/with-timeout.js'
import { withCleanup } from './cleanup.js'
import { openRunningQueue } from './parts.js'

/**
 * What a container's health check asks. A worker says every few seconds, in Redis, that it lives; its id begins with the
 * host name, which is each container's own.
 */
export const HOST_PREFIX = `${hostname()} `

const ANSWER_WITHIN_MS = 5000

/**
 * Whether workers on this host have said so lately (in the last 15 seconds), and all of them still have their store. One that
 * waits for a locked store or a full disk is healthy: ending it would lose the answers that it holds.
 * @throws UnreachableError when Redis does not answer
 */
export async function workerLivesHere(settings: Settings): Promise<{ readonly ok: boolean; readonly reason: string }> {
  return withCleanup(async (cleanup) => {
    const queue = await openRunningQueue(settings, silentLogger, cleanup)
    const [alive, troubles] =
      queue === null
        ? [0, []]
        : await withTimeout(
            ANSWER_WITHIN_MS,
            Promise.all([queue.registry.workers(HOST_PREFIX), queue.registry.writeFailures(HOST_PREFIX)]),
            `${queue.registry.describe()} does not answer.`,
          )
    await cleanup.runAll()
    if (alive === 0) return { ok: false, reason: 'No worker on this host has said in 15 s that it lives.' }
    const lost = troubles.find((trouble) => trouble.kind === 'lost')
    return lost === undefined
      ? { ok: true, reason: 'A worker lives on this host.' }
      : { ok: false, reason: `A worker on this host has lost its store. ${lost.cause}` }
  })
}

import { hostname } from 'node:os'
import type { Settings } from '../config/settings.js'
import { HEARTBEAT_TTL_MS } from '../queue/heartbeat.js'
import { withCleanup } from './cleanup.js'
import { openRunningQueue } from './parts.js'
import { withAnswerTimeout } from './session.js'

/**
 * For the health check of a container. Workers send heartbeats to Redis. A worker's id begins with its host name, which
 * is unique to each container.
 */

export const HOST_PREFIX = `${hostname()} `

const NO_HEARTBEAT = `No heartbeat from a worker on this host in the last ${HEARTBEAT_TTL_MS / 1000} s.`

/**
 * Whether a worker on this host is alive by its heartbeat and none has lost its store.
 * A worker that waits for a locked store or a full disk is healthy: killing it would lose paid
 * answers.
 * @throws UnreachableError if Redis does not answer
 */
export async function checkWorkerOnThisHost(
  settings: Settings,
): Promise<{ readonly ok: boolean; readonly reason: string }> {
  return withCleanup(async (cleanup) => {
    const queue = await openRunningQueue(settings, cleanup)
    const live = queue === null ? [] : await withAnswerTimeout(queue, queue.registry.live())
    const here = live.filter(({ id }) => id.startsWith(HOST_PREFIX))
    if (here.length === 0) return { ok: false, reason: NO_HEARTBEAT }
    const lost = here.flatMap(({ writeFailure }) => writeFailure ?? []).find(({ kind }) => kind === 'lost')
    return lost === undefined
      ? { ok: true, reason: 'A worker is running on this host.' }
      : { ok: false, reason: `A worker on this host has lost its store. ${lost.cause}` }
  })
}

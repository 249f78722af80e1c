import { hostname } from 'node:os'
import { isProcessAlive } from '../queue/private-redis/server-files.js'
import type { WorkerRegistry } from '../queue/worker-registry.js'

/**
 * A killed worker would count as running until its heartbeat expires. One of another container with the same host name
 * is alive after all, and is back with its next heartbeat.
 * @returns their ids
 */
export async function forgetDeadNeighbours({
  registry,
}: {
  readonly registry: Pick<WorkerRegistry, 'live' | 'expire'>
}): Promise<readonly string[]> {
  const dead = (await registry.live()).filter(
    ({ facts }) => facts !== null && facts.host === hostname() && !isProcessAlive(facts.pid),
  )
  for (const { id } of dead) await registry.expire(id)
  return dead.map(({ id }) => id)
}

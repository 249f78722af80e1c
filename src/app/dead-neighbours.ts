import { hostname } from 'node:os'
import { isProcessAlive } from '../queue/private-redis/server-files.js'
import type { SearchQueue } from '../queue/search-queue.js'

/**
 * A killed worker would count as running until its heartbeat expires. One of another container with the same host name
 * is alive after all, and is back with its next heartbeat.
 * @returns how many there were
 */
export async function forgetDeadNeighbours({ registry }: Pick<SearchQueue, 'registry'>): Promise<number> {
  const dead = (await registry.live()).filter(
    ({ facts }) => facts !== null && facts.host === hostname() && !isProcessAlive(facts.pid),
  )
  for (const { id } of dead) await registry.expire(id)
  return dead.length
}

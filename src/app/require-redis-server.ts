import { searchPath } from '../config/env-file.js'
import type { Settings } from '../config/settings.js'
import { ConfigurationError } from '../domain/errors.js'
import { isInstalled, notInstalled } from '../queue/private-redis/redis-server.js'

/**
 * For a process that keeps running: a restart installs no redis-server, so it ends with 78. A command goes on
 * without Redis, since a worker queues later what it has released.
 * @throws ConfigurationError if the private Redis is needed, is not running and cannot be started
 */
export async function requireRedisServer({ redisUrl, dataDir }: Settings): Promise<void> {
  if (redisUrl !== null || (await isInstalled(searchPath()))) return
  // Loads SQLite.
  const { findPrivateRedis } = await import('../queue/private-redis/private-redis.js')
  if ((await findPrivateRedis({ dataDir })) === null) throw new ConfigurationError(await notInstalled())
}

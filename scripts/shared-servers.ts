import { silentLogger } from '../src/domain/logger.js'
import {
  keepPrivateRedis,
  startOrConnectPrivateRedis,
  stopPrivateRedis,
} from '../src/queue/private-redis/private-redis.js'
import { type PostgresServer, type PostgresServerOptions, startPostgresServer } from './postgres-server.js'

/** What several machines share: PostgreSQL, and a Redis that is started again when it has died. */
export interface SharedServers {
  readonly server: PostgresServer
  /** As a URL of this database; it has been created. */
  readonly databaseUrl: string
  /** For every process: where the store and the queue are. */
  readonly settings: Readonly<Record<string, string>>
  close(): Promise<void>
}

/**
 * @param redisDir where the Redis keeps its files
 * @param database its name
 */
export async function startSharedServers(
  redisDir: string,
  database: string,
  options: PostgresServerOptions = {},
): Promise<SharedServers> {
  const server = await startPostgresServer(options)
  try {
    const databaseUrl = await server.createDatabase(database)
    const { socketPath } = await startOrConnectPrivateRedis({ dataDir: redisDir, log: silentLogger })
    const keeper = await keepPrivateRedis({ dataDir: redisDir, log: silentLogger })
    return {
      server,
      databaseUrl,
      settings: { TRACKYARD_DATABASE_URL: databaseUrl, TRACKYARD_REDIS_URL: `unix://${socketPath}` },
      async close() {
        await keeper.stop()
        await stopPrivateRedis({ dataDir: redisDir })
        await server.close()
      },
    }
  } catch (error) {
    await server.close()
    throw error
  }
}

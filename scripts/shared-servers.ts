import { silentLogger } from '../src/domain/logger.js'
import {
  keepPrivateRedis,
  startOrConnectPrivateRedis,
  stopPrivateRedis,
} from '../src/queue/private-redis/private-redis.js'
import { type PostgresServer, type PostgresServerOptions, startPostgresServer } from './postgres-server.js'

/** The servers that several machines share: PostgreSQL, and a Redis that is restarted when it dies. */
export interface SharedServers {
  readonly server: PostgresServer
  /** The URL of the database, which exists. */
  readonly databaseUrl: string
  /** The addresses of store and queue, for the environment of every process. */
  readonly settings: Readonly<Record<string, string>>
  close(): Promise<void>
}

/**
 * @param redisDir the directory for Redis's files
 * @param database the name of the database to create
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

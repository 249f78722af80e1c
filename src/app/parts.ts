import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type Api, openApi } from '../api/client.js'
import { requireApiKey } from '../config/load-settings.js'
import type { Settings } from '../config/settings.js'
import { systemClock } from '../domain/clock.js'
import { ConfigurationError, UnreachableError } from '../domain/errors.js'
import type { Logger } from '../domain/logger.js'
import type { RedisAddress } from '../queue/address.js'
import { openSearchQueue } from '../queue/open-queue.js'
import {
  findPrivateRedis,
  privateRedisTrouble,
  startOrConnectPrivateRedis,
} from '../queue/private-redis/private-redis.js'
import type { SearchQueue } from '../queue/search-queue.js'
import { type OpenOptions, openStore } from '../store/open.js'
import { remainsOf } from '../store/remains.js'
import type { Store } from '../store/store.js'
import type { Cleanup } from './cleanup.js'
import { version } from './version.js'

/** Opens the parts that a process needs, from the settings; each registers its closer. */

/** The record. Creates the data directory and the file when there is none. */
export async function openConfiguredStore(
  settings: Settings,
  log: Logger,
  cleanup: Cleanup,
  options: Pick<OpenOptions, 'patienceMs'> = {},
): Promise<Store> {
  refuseBesideRedis(settings)
  const store = await openStore({ path: storePath(settings), log, ...options })
  cleanup.add(() => store.close())
  return store
}

/**
 * The private Redis is only ever made after the store: one without the other means that the store was lost. What else is left
 * of it, such as a copy, is named when it is opened.
 */
function refuseBesideRedis(settings: Settings): void {
  const path = storePath(settings)
  const redis = join(settings.dataDir, 'redis')
  if (settings.redisUrl !== null || existsSync(path) || !existsSync(redis) || remainsOf(path).length > 0) return
  throw new ConfigurationError(
    `The store ${path} is gone, but its private Redis (${redis}) is still there: it was deleted or moved, or another disk belongs there. ` +
      'Put it back, or restore a backup or a trackyard.rescued-….db (docs/backup.md), and start again. ' +
      `To begin with a new store, without earlier answers: \`trackyard-batch down\`, then remove ${redis}.`,
  )
}

export function storePath(settings: Settings): string {
  return join(settings.dataDir, 'trackyard.db')
}

/** The delivery; starts the private Redis when no other is configured. */
export async function openConfiguredQueue(settings: Settings, log: Logger, cleanup: Cleanup): Promise<SearchQueue> {
  return openAt(await redisAddress(settings, log), settings, log, cleanup)
}

/** The delivery if it can be had without starting anything; null when the private Redis does not run. */
export async function openRunningQueue(settings: Settings, log: Logger, cleanup: Cleanup): Promise<SearchQueue | null> {
  if (settings.redisUrl !== null) return openAt({ url: settings.redisUrl.reveal() }, settings, log, cleanup)
  const running = await findPrivateRedis({ dataDir: settings.dataDir })
  return running === null ? null : openAt({ socketPath: running.socketPath }, settings, log, cleanup)
}

/** Why the private Redis does not run although somebody tries to start it; null: nobody does. */
export async function startTrouble(settings: Settings): Promise<UnreachableError | null> {
  if (settings.redisUrl !== null) return null
  const message = await privateRedisTrouble({ dataDir: settings.dataDir })
  return message === null ? null : new UnreachableError(message)
}

async function redisAddress(settings: Settings, log: Logger): Promise<RedisAddress> {
  if (settings.redisUrl !== null) return { url: settings.redisUrl.reveal() }
  const { socketPath } = await startOrConnectPrivateRedis({ dataDir: settings.dataDir, log })
  return { socketPath }
}

async function openAt(
  connection: RedisAddress,
  settings: Settings,
  log: Logger,
  cleanup: Cleanup,
): Promise<SearchQueue> {
  const deadLetterLocks = { durationMs: settings.lockDurationMs, stalledIntervalMs: settings.stalledIntervalMs }
  const queue = await openSearchQueue({ connection, log, deadLetterLocks })
  cleanup.add(() => queue.close())
  return queue
}

/** The API. @throws ConfigurationError when there is no key. */
export function openConfiguredApi(settings: Settings, cleanup: Cleanup): Api {
  const key = requireApiKey(settings)
  const api = openApi({
    baseUrl: settings.apiUrl,
    apiKey: () => key.reveal(),
    timeoutMs: settings.requestTimeoutMs,
    proxy: settings.proxy === null ? null : new URL(settings.proxy.url.reveal()),
    userAgent: `trackyard-batch/${version()}`,
    clock: systemClock,
  })
  cleanup.add(() => api.close())
  return api
}

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Api } from '../api/client.js'
import { requireApiKey } from '../config/load-settings.js'
import type { Secret } from '../config/secret.js'
import type { Settings } from '../config/settings.js'
import { adjustableClock, type Clock, systemClock } from '../domain/clock.js'
import { ConfigurationError, UnreachableError, UsageError } from '../domain/errors.js'
import { type Logger, silentLogger } from '../domain/logger.js'
import { findPrivateRedis, lastStartFailure, startOrConnectPrivateRedis } from '../queue/private-redis/private-redis.js'
import type { RedisAddress } from '../queue/redis-address.js'
import type { QueueOptions, SearchQueue } from '../queue/search-queue.js'
import { type OpenOptions, openStore } from '../store/open-store.js'
import { remainsOf } from '../store/sqlite/remains.js'
import type { Store } from '../store/store.js'
import type { Cleanup } from './cleanup.js'
import type { Session } from './session.js'
import { userAgent } from './version.js'

/** Opens the parts of a process from its settings. Each part registers how to close it. */

/** Opens the store; the rest of a session on demand. */
export async function openSession(
  settings: Settings,
  log: Logger,
  cleanup: Cleanup,
  options: Pick<OpenOptions, 'patienceMs' | 'actor'> & MustExist = {},
): Promise<Session> {
  const clock = adjustableClock()
  const store = await openConfiguredStore(settings, log, cleanup, { ...options, clock })
  let api: Promise<Api> | null = null
  let queue: Promise<SearchQueue> | null = null
  const found = async () => {
    const opened = queue
    if ((await opened)?.isLost() && queue === opened) queue = null
    return queue
  }
  // Kept as a promise: calls at the same time share one connection.
  const connect = async (address: RedisAddress) => {
    await found()
    queue ??= openAt(address, { log, clock, ...forAWhile(address) }, cleanup).catch((error: unknown) => {
      queue = null
      throw error
    })
    return queue
  }
  return {
    settings,
    store,
    log,
    cleanup,
    now: clock.now,
    openApi: () => (api ??= openConfiguredApi(settings, cleanup)),
    // Also if it is open: somebody may have stopped the private Redis since.
    openQueue: () => openFound<never>(() => startRedis(settings, log), connect),
    async findQueue() {
      const opened = await found()
      if (opened !== null) return opened
      return openFound(() => runningRedis(settings), connect)
    },
    redisStartFailure: () => redisStartFailure(settings),
  }
}

interface MustExist {
  /** The store is used only if it exists; it is not created. */
  readonly mustExist?: boolean
}

/** Opens the store. Creates the data directory and the file if they are missing, unless the store must exist. */
export async function openConfiguredStore(
  settings: Settings,
  log: Logger,
  cleanup: Cleanup,
  { mustExist = false, ...options }: Pick<OpenOptions, 'patienceMs' | 'actor' | 'clock'> & MustExist = {},
): Promise<Store> {
  refuseLostStore(settings)
  if (mustExist) requireStore(settings)
  const store = await openStore({ ...storeAddress(settings), log, ...options })
  cleanup.add(() => store.close())
  return store
}

export function storeAddress(settings: Settings): Pick<OpenOptions, 'path' | 'database'> {
  const { databaseUrl, databaseCa } = settings
  const database = databaseUrl === null ? undefined : { url: databaseUrl.reveal(), ca: databaseCa }
  return { path: storePath(settings), database }
}

/**
 * The private Redis is created after the store, so a Redis without a store means that the store was
 * lost. If other files of it are left, such as a copy, opening the store names them.
 */
function refuseLostStore(settings: Settings): void {
  const path = storePath(settings)
  const redis = join(settings.dataDir, 'redis')
  if (settings.redisUrl !== null || existsSync(path) || !existsSync(redis) || remainsOf(path).length > 0) return
  throw new ConfigurationError(
    `The store ${path} is missing, but its private Redis (${redis}) exists. The store was deleted or moved, or its disk is not mounted. ` +
      'Put it back, or restore a backup or a trackyard.rescued-….db (docs/backup.md), and start again. ' +
      `To begin with an empty store, without earlier answers: \`trackyard-batch down\`, then remove ${redis}.`,
  )
}

/** If other files of it are left, opening the store names them. */
function requireStore(settings: Settings): void {
  const { databaseUrl, dataDir } = settings
  const path = storePath(settings)
  if (databaseUrl !== null || existsSync(path) || remainsOf(path).length > 0) return
  throw new UsageError(
    `There is no store in ${dataDir} (TRACKYARD_DATA_DIR), so there is no batch. Submit a catalog first, or set TRACKYARD_DATA_DIR to the directory of the store.`,
    { code: 'no_such_batch' },
  )
}

export function storePath(settings: Settings): string {
  return join(settings.dataDir, 'trackyard.db')
}

/** Opens the queue. Starts the private Redis if no other is configured. */
export async function openConfiguredQueue(
  settings: Settings,
  log: Logger,
  cleanup: Cleanup,
  clock: Clock,
): Promise<SearchQueue> {
  return openAt(await startRedis(settings, log), { log, clock }, cleanup)
}

function isAddress(found: RedisAddress | null): found is RedisAddress {
  return found !== null
}

/** Opens the queue without starting anything, for one look. Null if the private Redis is not running. */
export async function openRunningQueue(settings: Settings, cleanup: Cleanup): Promise<SearchQueue | null> {
  const parts = { log: silentLogger, clock: systemClock }
  return openFound(
    () => runningRedis(settings),
    (running) => openAt(running, { ...parts, ...forAWhile(running) }, cleanup),
  )
}

const LOOKS_AGAIN = 2

/** A private Redis may end, or be killed, after it was found: then it is looked for again. */
async function openFound<None extends null>(
  find: () => Promise<RedisAddress | None>,
  open: (found: RedisAddress) => Promise<SearchQueue>,
): Promise<SearchQueue | None> {
  for (let looks = 1; ; looks += 1) {
    const found = await find()
    if (!isAddress(found)) return found
    try {
      return await open(found)
    } catch (error) {
      if (looks > LOOKS_AGAIN || !('socketPath' in found) || !(error instanceof UnreachableError)) throw error
    }
  }
}

/** Null: the private Redis is not running. */
async function runningRedis(settings: Settings): Promise<RedisAddress | null> {
  if (settings.redisUrl !== null) return ownRedis(settings, settings.redisUrl)
  const running = await findPrivateRedis({ dataDir: settings.dataDir })
  return running === null ? null : { socketPath: running.socketPath }
}

/** Why the private Redis fails to start; null if no process is trying to start it. */
async function redisStartFailure(settings: Settings): Promise<UnreachableError | null> {
  if (settings.redisUrl !== null) return null
  const message = await lastStartFailure({ dataDir: settings.dataDir })
  return message === null ? null : new UnreachableError(message)
}

/** Starts the private Redis, if no other is configured and it is not running. */
async function startRedis(settings: Settings, log: Logger): Promise<RedisAddress> {
  if (settings.redisUrl !== null) return ownRedis(settings, settings.redisUrl)
  const { socketPath } = await startOrConnectPrivateRedis({ dataDir: settings.dataDir, log })
  return { socketPath }
}

function ownRedis({ redisCa, redisNatMap }: Settings, url: Secret): RedisAddress {
  return { url: url.reveal(), ca: redisCa, natMap: redisNatMap }
}

const COMMAND_WAITS_MS = 10_000
/** No command of ours takes so long, unless Redis is frozen. */
const COMMAND_SILENCE_MS = 8000

/**
 * A command waits a while for a Redis that is away, and not at all for a private one that `down` has stopped: that has
 * removed its socket. One that was killed leaves it, and a worker starts it again.
 */
function forAWhile(address: RedisAddress): Pick<QueueOptions, 'silenceMs' | 'reconnect'> {
  return {
    silenceMs: COMMAND_SILENCE_MS,
    reconnect: (lostMs) => lostMs < COMMAND_WAITS_MS && (!('socketPath' in address) || existsSync(address.socketPath)),
  }
}

async function openAt(
  connection: RedisAddress,
  parts: Pick<QueueOptions, 'log' | 'clock' | 'silenceMs' | 'reconnect'>,
  cleanup: Cleanup,
): Promise<SearchQueue> {
  // It loads ioredis, which no command needs while Redis is not running.
  const { openSearchQueue } = await import('../queue/search-queue.js')
  const queue = await openSearchQueue({ ...parts, connection })
  cleanup.add(() => queue.close())
  return queue
}

/** Opens the API client. @throws ConfigurationError if there is no key */
export async function openConfiguredApi(settings: Settings, cleanup: Cleanup): Promise<Api> {
  const key = requireApiKey(settings)
  // Few commands call the API, and only they load HTTP and TLS.
  const { openApi } = await import('../api/client.js')
  const api = openApi({
    baseUrl: settings.apiUrl,
    apiKey: key.reveal(),
    timeoutMs: settings.requestTimeoutMs,
    proxy: settings.proxy === null ? null : new URL(settings.proxy.url.reveal()),
    userAgent: userAgent(),
    clock: systemClock,
  })
  cleanup.add(() => api.close())
  return api
}

import { randomUUID } from 'node:crypto'
import type { Settings } from '../config/settings.js'
import { bindStoreToApi } from '../control/same-api.js'
import { type AdjustableClock, adjustableClock, systemClock } from '../domain/clock.js'
import type { UnreachableError } from '../domain/errors.js'
import type { Logger } from '../domain/logger.js'
import { settledWithin, withTimeout } from '../domain/with-timeout.js'
import { keepPrivateRedis } from '../queue/private-redis/private-redis.js'
import { CLOSE_TIMEOUT_MS } from '../queue/redis-client.js'
import type { SearchQueue } from '../queue/search-queue.js'
import type { Store } from '../store/store.js'
import { isStoreLocked } from '../store/store-locked.js'
import { type Cleanup, cleanupOnError } from './cleanup.js'
import { HOST_PREFIX } from './healthy.js'
import { keepHeapSmall } from './keep-heap-small.js'
import { openConfiguredApi, openConfiguredQueue, openConfiguredStore } from './parts.js'
import { requireRedisServer } from './require-redis-server.js'
import { retryWhileLocked } from './retry-while-locked.js'
import { alreadyStoppedService, type Service } from './service.js'
import { runWorker } from './worker.js'

/**
 * Starts a worker process: opens the API client, the store and the queue, and processes searches
 * until it is stopped. Waits while the store is locked.
 */
export async function startWorker(settings: Settings, log: Logger, interrupted: AbortSignal): Promise<Service> {
  keepHeapSmall()
  const workerId = HOST_PREFIX + randomUUID()
  const clock = adjustableClock()
  return cleanupOnError(async (cleanup) => {
    const api = await openConfiguredApi(settings, cleanup)
    const unlocked = await openOwnStore(settings, log, cleanup, clock).catch(nullIfLocked)
    await requireRedisServer(settings)
    const queue = await openConfiguredQueue(settings, log, cleanup, clock)
    if (settings.redisUrl === null) {
      const keeper = await keepPrivateRedis({ dataDir: settings.dataDir, log })
      cleanup.add(() => keeper.stop())
    }
    cleanup.add(() => settledWithin(CLOSE_TIMEOUT_MS, queue.registry.unregister(workerId)))
    const store =
      unlocked ??
      (await retryWhileLocked(() => openOwnStore(settings, log, cleanup, clock), {
        log,
        interrupted,
        locked: waitAsWorker(queue, workerId),
      }).catch(nullIfAskedToStop))
    if (store === null) return alreadyStoppedService(cleanup)
    // `runWorker` counts the other workers before it registers this one.
    if (unlocked === null) await queue.registry.unregister(workerId)
    return runWorker({ settings, log, store, queue, api, workerId, clock }, cleanup)
  })
}

/** Opens the store and checks that it belongs to this worker's API. */
function openOwnStore(settings: Settings, log: Logger, cleanup: Cleanup, clock: AdjustableClock): Promise<Store> {
  return cleanupOnError(async (own) => {
    const store = await openConfiguredStore(settings, log, own, { actor: 'worker', clock })
    await bindStoreToApi({ store, apiUrl: settings.apiUrl })
    cleanup.add(() => own.runAll())
    return store
  })
}

class AskedToStop extends Error {}

/**
 * While it waits for the store, the worker appears as one that cannot write to it, and obeys
 * `down`.
 */
function waitAsWorker(queue: SearchQueue, workerId: string) {
  const since = systemClock.now()
  return async ({ message }: UnreachableError): Promise<void> => {
    const report = async (): Promise<boolean> => {
      await queue.registry.heartbeat({ id: workerId, writeFailure: { kind: 'claim', since, cause: message } })
      return queue.registry.isStopRequested()
    }
    // `down` needs Redis: without it, nobody can have asked to stop.
    const isAskedToStop = await withTimeout(REDIS_ANSWERS_MS, report(), 'Redis is unreachable.').catch(() => false)
    if (isAskedToStop) throw new AskedToStop()
  }
}

const REDIS_ANSWERS_MS = 2000

function nullIfLocked(error: unknown): null {
  if (isStoreLocked(error)) return null
  throw error
}

function nullIfAskedToStop(error: unknown): null {
  if (error instanceof AskedToStop) return null
  throw error
}

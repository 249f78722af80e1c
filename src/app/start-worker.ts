import { randomUUID } from 'node:crypto'
import { takeApi } from '../account/same-api.js'
import type { Settings } from '../config/settings.js'
import { systemClock } from '../domain/clock.js'
import type { UnreachableError } from '../domain/errors.js'
import type { Logger } from '../domain/logger.js'
import { within } from '../domain/within.js'
import { keepPrivateRedis } from '../queue/private-redis.js'
import type { SearchQueue } from '../queue/search-queue.js'
import type { Store } from '../store/store.js'
import { isStoreLocked } from '../store/store-error.js'
import { type Closers, opening } from './closers.js'
import { isAskedToStop } from './down.js'
import { HERE } from './healthy.js'
import { onceUnlocked } from './once-unlocked.js'
import { openCaller, openDelivery, openRecord } from './parts.js'
import { type Running, stoppedBefore } from './running.js'
import { type WorkerIdentity, workWith } from './worker.js'

/**
 * A worker process: opens the API, the record and the delivery, and works with them until it is stopped. While somebody
 * holds the record locked it waits.
 */
export async function startWorker(
  settings: Settings,
  log: Logger,
  interrupted: AbortSignal = new AbortController().signal,
): Promise<Running> {
  const identity = { workerId: HERE + randomUUID(), startedAt: systemClock.now() }
  return opening(async (closers) => {
    const api = openCaller(settings, closers)
    const unlocked = await openRecordOf(settings, log, closers).catch(nullIfLocked)
    const queue = await openDelivery(settings, log, closers)
    if (settings.redisUrl === null) {
      const keeper = keepPrivateRedis({ dataDir: settings.dataDir, log })
      closers.add(() => keeper.stop())
    }
    const store =
      unlocked ??
      (await onceUnlocked(() => openRecordOf(settings, log, closers), {
        log,
        interrupted,
        locked: waitAsWorker(queue, identity, closers),
      }).catch(nullIfAskedToStop))
    if (store === null) return stoppedBefore(closers)
    // It counts the others before it joins them.
    if (unlocked === null) await queue.fleet.leave(identity.workerId)
    return workWith({ settings, log, store, queue, api, ...identity }, closers)
  })
}

/** The record of this worker's API. */
function openRecordOf(settings: Settings, log: Logger, closers: Closers): Promise<Store> {
  return opening(async (own) => {
    const store = await openRecord(settings, log, own)
    await takeApi({ store, apiUrl: settings.apiUrl })
    closers.add(() => own.closeAll())
    return store
  })
}

class AskedToStop extends Error {}

/** Who waits for the store is seen as a worker that cannot write to it, and is asked to stop like any. */
function waitAsWorker(queue: SearchQueue, { workerId, startedAt }: WorkerIdentity, closers: Closers) {
  const since = systemClock.now()
  closers.add(() => queue.fleet.leave(workerId).catch(() => {}))
  return async ({ message }: UnreachableError): Promise<void> => {
    const look = async (): Promise<boolean> => {
      await queue.fleet.beat({ id: workerId, trouble: { kind: 'claim', since, cause: message } })
      return isAskedToStop(queue, startedAt)
    }
    // Nobody asks through a Redis that is away.
    const asked = await within(REDIS_ANSWERS_MS, look(), 'Redis is away.').catch(() => false)
    if (asked) throw new AskedToStop()
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

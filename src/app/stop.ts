import { setTimeout as sleep } from 'node:timers/promises'
import type { Settings } from '../config/settings.js'
import { NotFinishedError } from '../domain/errors.js'
import type { Logger } from '../domain/logger.js'
import { requireOwnRedis } from '../maintenance/redis-recovery.js'
import type { MaintenanceTask } from '../maintenance/scheduler.js'
import { stopPrivateRedis } from '../queue/private-redis/private-redis.js'
import type { SearchQueue } from '../queue/search-queue.js'
import { withCleanup } from './cleanup.js'
import { openConfiguredStore, openRunningQueue } from './parts.js'

/**
 * `down`: a word left in Redis asks every worker and board to stop, each in its own grace; when the last worker has
 * gone, the private Redis is stopped. No process is signalled by a pid that may mean another one by now.
 */
const LOOK_EVERY_MS = 2000
/** A worker that was killed counts as running for so long after it last said that it lives. */
const KILLED_COUNTS_MS = 15_000

/** Whether everything was asked to stop since that moment. A process that had begun before and is not ready yet must not begin its work. */
export async function isStopRequested(queue: Pick<SearchQueue, 'registry'>, since: number): Promise<boolean> {
  const askedAt = await queue.registry.stopAskedAt()
  return askedAt !== null && askedAt >= since
}

/** In every long-running process: looks whether it is to stop. */
export function stopTask(queue: Pick<SearchQueue, 'registry'>, startedAt: number, stop: () => void): MaintenanceTask {
  return {
    name: 'look whether to stop',
    everyMs: LOOK_EVERY_MS,
    run: async () => {
      if (await isStopRequested(queue, startedAt)) stop()
    },
  }
}

/**
 * @returns how many workers ran, and whether a private Redis was stopped
 * @throws NotFinishedError when a worker has not stopped within its grace; Redis is left running then.
 * ConfigurationError when Redis belongs to another store: its workers are not ours to stop
 */
export async function stopEverything(
  settings: Settings,
  log: Logger,
): Promise<{ readonly workers: number; readonly redis: boolean }> {
  const workers = await withCleanup(async (cleanup) => {
    const queue = await openRunningQueue(settings, log, cleanup)
    // A private Redis lies in the data directory and is its own; an address may be anybody's.
    if (queue !== null && settings.redisUrl !== null) {
      await requireOwnRedis({ store: await openConfiguredStore(settings, log, cleanup), queue })
    }
    const running = queue === null ? 0 : await stopWorkers(queue, settings.shutdownGraceMs)
    await cleanup.runAll()
    return running
  })
  const redis = settings.redisUrl === null && (await stopPrivateRedis({ dataDir: settings.dataDir }))
  return { workers, redis }
}

async function stopWorkers(queue: SearchQueue, graceMs: number): Promise<number> {
  const before = await queue.registry.workers()
  await queue.registry.askToStop(Date.now())
  const deadline = performance.now() + Math.max(graceMs, KILLED_COUNTS_MS) + 5 * LOOK_EVERY_MS
  while ((await queue.registry.workers()) > 0) {
    if (performance.now() > deadline) {
      throw new NotFinishedError(
        'A worker has not stopped within its grace; Redis is left running. Look at its log, then try again.',
      )
    }
    await sleep(200)
  }
  return before
}

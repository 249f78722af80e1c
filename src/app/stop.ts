import { hostname } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Settings } from '../config/settings.js'
import { adjustableClock } from '../domain/clock.js'
import { NotFinishedError, UnreachableError } from '../domain/errors.js'
import { silentLogger } from '../domain/logger.js'
import { requireOwnRedis } from '../maintenance/redis-recovery.js'
import type { MaintenanceTask } from '../maintenance/scheduler.js'
import { unsavedSince } from '../processing/unsaved.js'
import { HEARTBEAT_INTERVAL_MS, HEARTBEAT_TTL_MS } from '../queue/heartbeat.js'
import { findPrivateRedis, stopPrivateRedis, stopWritingToDisk } from '../queue/private-redis/private-redis.js'
import { isProcessAlive } from '../queue/private-redis/server-files.js'
import { isDiskFailure } from '../queue/redis-error.js'
import type { SearchQueue } from '../queue/search-queue.js'
import type { LiveWorker, WorkerFacts, WorkerRegistry } from '../queue/worker-registry.js'
import { withCleanup } from './cleanup.js'
import { forgetDeadNeighbours } from './dead-neighbours.js'
import { openConfiguredStore, openRunningQueue, storePath } from './parts.js'
import { withAnswerTimeout } from './session.js'

/**
 * `down` writes a stop request to Redis. Every worker and board obeys it, within its own grace
 * period. When the last worker has stopped, the private Redis is stopped. No process is signalled
 * by pid: the pid may belong to another process by now.
 */

const CHECK_EVERY_MS = 2000
/** Nobody counts boards. By then each has checked once. */
const HEARD_WITHIN_MS = CHECK_EVERY_MS + 1000
/** By then every running worker has sent a heartbeat. */
const NEXT_HEARTBEAT_MS = HEARTBEAT_INTERVAL_MS + 1000

const ANSWER_WITHIN_MS = 10_000

/** Runs in every long-running process: stops it when `down` asks. */
export function stopTask(queue: Pick<SearchQueue, 'registry'>, stop: () => void): MaintenanceTask {
  return {
    name: 'check for a stop request',
    everyMs: CHECK_EVERY_MS,
    run: async () => {
      if (await queue.registry.isStopRequested()) stop()
    },
  }
}

/**
 * @returns how many workers were running, whether a private Redis was stopped, and the files with answers that workers
 *   could not save
 * @throws NotFinishedError if a worker has not stopped within its grace period; Redis keeps
 * running. ConfigurationError if Redis belongs to another store: its workers are not ours to stop
 */
export async function stopEverything(
  settings: Settings,
): Promise<{ readonly workers: number; readonly redis: boolean; readonly unsaved: readonly string[] }> {
  const since = Date.now()
  const workers = await stopAllWorkers(settings).catch(async (error: unknown) => {
    if (settings.redisUrl !== null || !isDiskFailure(error)) throw error
    await stopWritingToDisk({ dataDir: settings.dataDir })
    // Redis took no heartbeats while it could not write, so a running worker may not be known.
    await sleep(NEXT_HEARTBEAT_MS)
    return stopAllWorkers(settings)
  })
  const redis = settings.redisUrl === null && (await stopPrivateRedis({ dataDir: settings.dataDir }))
  return { workers, redis, unsaved: unsavedSince({ path: storePath(settings) }, since) }
}

async function stopAllWorkers(settings: Settings): Promise<number> {
  return withCleanup(async (cleanup) => {
    const queue = await openRunningQueue(settings, cleanup)
    if (queue === null) return 0
    // A private Redis is in our data directory, so it is ours. One at an address may not be.
    if (settings.redisUrl !== null) {
      const clock = adjustableClock()
      const store = await openConfiguredStore(settings, silentLogger, cleanup, { clock })
      await requireOwnRedis({ store, queue, now: clock.now })
    }
    return stopWorkers(queue, settings)
  })
}

async function stopWorkers(queue: SearchQueue, settings: Settings): Promise<number> {
  const registry = answeringInTime(queue)
  let before: readonly LiveWorker[] = []
  try {
    const dead = await forgetDeadNeighbours({ registry })
    before = await registry.live()
    await registry.askToStop()
    await waitUntilStopped(registry, { before, dead, graceMs: settings.shutdownGraceMs })
  } catch (error) {
    if (settings.redisUrl !== null || !(error instanceof UnreachableError)) throw error
    // It is frozen, and this says so.
    await findPrivateRedis({ dataDir: settings.dataDir })
    // Another `down` at the same time has seen all workers stop, and has stopped the private Redis.
    if (!queue.isLost()) throw error
  }
  return before.length
}

type Asked = Pick<WorkerRegistry, 'live' | 'missing' | 'expire' | 'askToStop'>

/** The connection waits for a Redis that is frozen, but a person who wants to stop everything must know. */
function answeringInTime(queue: SearchQueue): Asked {
  const { registry } = queue
  const within = <T>(work: Promise<T>) => withAnswerTimeout(queue, work, ANSWER_WITHIN_MS)
  return {
    live: () => within(registry.live()),
    missing: () => within(registry.missing()),
    expire: (id) => within(registry.expire(id)),
    askToStop: () => within(registry.askToStop()),
  }
}

/** @throws NotFinishedError; UnreachableError if Redis is lost meanwhile */
async function waitUntilStopped(
  registry: Asked,
  asked: { readonly before: readonly LiveWorker[]; readonly dead: readonly string[]; readonly graceMs: number },
): Promise<void> {
  const { before, dead, graceMs } = asked
  // One that counted as dead may be alive after all: it is back with its next heartbeat.
  const known = new Set([...before.map(({ id }) => id), ...dead])
  // A worker that is killed from now on, or on another machine, counts as running until its heartbeat expires.
  const deadline = performance.now() + Math.max(graceMs, HEARTBEAT_TTL_MS) + 5 * CHECK_EVERY_MS
  let newcomersUntil = Number.POSITIVE_INFINITY
  await sleep(dead.length === 0 ? HEARD_WITHIN_MS : NEXT_HEARTBEAT_MS)
  for (;;) {
    const running = await registry.live()
    if (running.length === 0) break
    if (running.some(({ id }) => known.has(id))) {
      if (performance.now() > deadline) throw tooSlow()
    } else {
      // `up` may be ending one that it has just started.
      newcomersUntil = Math.min(newcomersUntil, performance.now() + HEARD_WITHIN_MS)
      if (performance.now() > newcomersUntil) throw joinedByAnother()
    }
    await sleep(200)
  }
  const silent = await registry.missing()
  const frozen = before.find(
    ({ id, facts }) => silent.includes(id) && facts?.host === hostname() && isProcessAlive(facts.pid),
  )
  if (frozen?.facts) throw stillThere(frozen.facts)
}

function tooSlow(): NotFinishedError {
  return new NotFinishedError(
    'A worker has not stopped within its grace period. Redis keeps running. Check the log of the worker, then try again.',
  )
}

/** It has been started since `down` asked, so it does not stop. */
function joinedByAnother(): NotFinishedError {
  return new NotFinishedError(
    'All workers have stopped, but another one was started meanwhile: it runs on, and so does Redis. Run `trackyard-batch down` again to stop it too.',
  )
}

/** It sends no heartbeat, and was not killed. The next `down` cannot tell: what the worker said of itself has expired. */
function stillThere({ pid }: Pick<WorkerFacts, 'pid'>): NotFinishedError {
  return new NotFinishedError(
    `The worker with pid ${pid} has not stopped: it is frozen, and sends no heartbeat. Redis keeps running. Let it continue (\`kill -CONT ${pid}\`), or end it ` +
      `(\`kill -9 ${pid}\`: each of its calls in flight may cost a credit without an answer), then try again.`,
  )
}

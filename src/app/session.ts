import type { Api } from '../api/client.js'
import { status } from '../batches/status.js'
import type { StatusReport } from '../batches/status-report.js'
import type { Settings } from '../config/settings.js'
import type { PauseThrottle } from '../control/pauses.js'
import { applyRateLimit } from '../control/rate-limit.js'
import { NEVER_ABORTED, orAborted } from '../domain/abortable.js'
import { UnreachableError } from '../domain/errors.js'
import type { Logger } from '../domain/logger.js'
import { withTimeout } from '../domain/with-timeout.js'
import { feed } from '../maintenance/feeder.js'
import { recoverRedis, requireOwnRedis } from '../maintenance/redis-recovery.js'
import type { SearchQueue } from '../queue/search-queue.js'
import type { Store, WhichBatches } from '../store/store.js'
import type { Cleanup } from './cleanup.js'

/**
 * What a short command or a script works with: settings and store; API and queue on demand. All are
 * closed at its end. `openSession` in parts.ts opens one. This file has what commands and scripts do
 * with it, and loads neither SQLite nor BullMQ.
 */
export interface Session {
  readonly settings: Settings
  readonly store: Store
  readonly log: Logger
  readonly cleanup: Cleanup
  readonly now: () => number
  /** Opened once. @throws ConfigurationError if there is no key */
  openApi(): Promise<Api>
  /** The queue, opened once; starts the private Redis if it is not running. */
  openQueue(): Promise<SearchQueue>
  /** The queue, or null if the private Redis is not running; nothing is started. */
  findQueue(): Promise<SearchQueue | null>
  /** Why the private Redis fails to start; null if no process is trying to start it. */
  redisStartFailure(): Promise<UnreachableError | null>
}

/**
 * The queue, if it is running; nothing is started.
 * @throws ConfigurationError if Redis belongs to another store
 */
async function runningQueue(session: Session): Promise<{
  /** Null if it is not running or unreachable. */
  readonly queue: SearchQueue | null
  /** Why it is unreachable; null if it is reachable, or if the private Redis is not running. */
  readonly redisProblem: UnreachableError | null
}> {
  try {
    const queue = await session.findQueue()
    if (queue === null) return { queue, redisProblem: await session.redisStartFailure() }
    await requireOwnRedisInTime({ ...session, queue })
    return { queue, redisProblem: null }
  } catch (error) {
    // It also looks into the store.
    if (error instanceof UnreachableError && error.code !== 'store_unusable')
      return { queue: null, redisProblem: error }
    throw error
  }
}

const ANSWER_WITHIN_MS = 5000

/**
 * Limits how long `work` may wait for Redis: the connection retries for a long time once it has
 * been established. Work that also waits for the store would blame Redis for a slow one.
 * @throws UnreachableError if Redis does not answer in time
 */
export function withAnswerTimeout<T>(
  queue: Pick<SearchQueue, 'registry'>,
  work: Promise<T>,
  ms = ANSWER_WITHIN_MS,
): Promise<T> {
  const message = `${queue.registry.describe()} does not answer. Check that it is running.`
  return withTimeout(ms, work, message, 'redis_unreachable')
}

/**
 * `requireOwnRedis`, which reads the store too: only what it asks of Redis is limited.
 * @throws as both
 */
export function requireOwnRedisInTime(parts: {
  readonly store: Store
  readonly queue: SearchQueue
  readonly now: () => number
}): Promise<void> {
  const { registry } = parts.queue
  const asked = {
    describe: () => registry.describe(),
    owner: () => withAnswerTimeout(parts.queue, registry.owner()),
    queueId: () => withAnswerTimeout(parts.queue, registry.queueId()),
  }
  return requireOwnRedis({ ...parts, queue: { registry: asked } })
}

/** A snapshot of store and queue. If Redis is unreachable, the report is from the store alone. */
export interface StatusSnapshot {
  readonly report: StatusReport
  /** Why Redis could not be read; null if it could, or if the private Redis is not running. */
  readonly redisProblem: UnreachableError | null
}

export async function readStatus(session: Session, which: WhichBatches): Promise<StatusSnapshot> {
  const { store, now, settings } = session
  const parts = { store, now, settings }
  let { queue, redisProblem } = await runningQueue(session)
  if (queue !== null) {
    const asked = queue
    const askRedis = async <T>(work: Promise<T>): Promise<T> => {
      try {
        return await withAnswerTimeout(asked, work)
      } catch (error) {
        if (error instanceof UnreachableError) redisProblem = error
        throw error
      }
    }
    try {
      return { report: await status({ ...parts, queue, askRedis }, which), redisProblem: null }
    } catch (error) {
      if (error !== redisProblem) throw error
    }
  }
  return {
    report: await status({ ...parts, queue: null, redisProblem: redisProblem?.message ?? null }, which),
    redisProblem,
  }
}

/** How many workers run; null: not known. */
export function workersOf({ report, redisProblem }: StatusSnapshot): number | null {
  return redisProblem === null ? report.queue.workers : null
}

/**
 * A throttle that tolerates an unreachable Redis. Pauses are rows in the store and every claim
 * reads them, so pausing and resuming work without Redis. A running worker sets the flag in Redis
 * within seconds. Failures are remembered so that the command can report them.
 */
export interface TolerantThrottle {
  readonly throttle: PauseThrottle
  /** False after any operation failed. */
  wasReached(): boolean
  /** How many workers run. Null: Redis is unreachable. */
  workers(): Promise<number | null>
}

/** @throws ConfigurationError if Redis belongs to another store */
export async function openTolerantThrottle(session: Session): Promise<TolerantThrottle> {
  const { queue, redisProblem } = await runningQueue(session)
  return tolerantThrottle(queue, redisProblem === null ? 0 : null)
}

/**
 * For one pause or resume. After the first failure it does not wait for Redis again.
 * @param queue null: not running or unreachable
 * @param workersIfUnreachable how many workers run, if `queue` is null
 */
export function tolerantThrottle(
  queue: SearchQueue | null,
  workersIfUnreachable: number | null = null,
): TolerantThrottle {
  let reached = queue !== null

  function attempt<T>(work: (throttle: PauseThrottle) => Promise<T>, otherwise: T): Promise<T> {
    return withQueue(({ throttle }) => work(throttle), otherwise)
  }

  async function withQueue<T>(work: (queue: SearchQueue) => Promise<T>, otherwise: T): Promise<T> {
    if (queue === null || !reached) return otherwise
    try {
      return await withAnswerTimeout(queue, work(queue))
    } catch (error) {
      if (!(error instanceof UnreachableError)) throw error
      reached = false
      return otherwise
    }
  }

  return {
    wasReached: () => reached,
    workers: () =>
      withQueue<number | null>(({ registry }) => registry.workers(), queue === null ? workersIfUnreachable : null),
    throttle: {
      pause: () => attempt((throttle) => throttle.pause(), undefined),
      resume: () => attempt((throttle) => throttle.resume(), undefined),
      rateLimit: (until) => attempt((throttle) => throttle.rateLimit(until), undefined),
      liftRateLimit: () => attempt((throttle) => throttle.liftRateLimit(), false),
      syncRateLimit: (until) => attempt((throttle) => throttle.syncRateLimit(until), { tooLongMs: 0, wasStale: false }),
      startSerial: () => attempt((throttle) => throttle.startSerial(), undefined),
    },
  }
}

export interface Feeding {
  /**
   * @returns how many workers are running, or why nothing could be queued
   * @throws the signal's reason
   */
  fill(): Promise<number | UnreachableError>
}

/**
 * Feeds Redis at once, so that work begins now and not at a worker's next maintenance. Redis is
 * opened and checked before anything is released: if it belongs to another store, nothing is. A
 * release is in the store first, so if Redis is unreachable or an interrupt comes later, workers
 * feed the queue.
 * @throws ConfigurationError if Redis belongs to another store; the signal's reason when aborted
 */
export async function openFeeding(session: Session, signal: AbortSignal = NEVER_ABORTED): Promise<Feeding> {
  // Checked before opening, which may start the private Redis.
  signal.throwIfAborted()
  const open = async () => {
    const queue = await session.openQueue()
    // What another Redis than the workers' is fed with would never be called.
    await requireOwnRedis({ ...session, queue })
    const setRate = () => applyRateLimit({ ...session, queue, rateLimit: session.settings.rateLimit })
    // 'elsewhere': another process is restoring this Redis now and will feed it.
    return { queue, isOurs: (await recoverRedis({ ...session, queue, setRate })) !== 'elsewhere' }
  }
  try {
    const { queue, isOurs } = await orAborted(open(), signal)
    const feedIfOurs = async () => {
      if (isOurs) await feed({ ...session, queue, signal })
      return queue.registry.workers()
    }
    return { fill: () => orAborted(feedIfOurs(), signal).catch(unreachableOrThrow) }
  } catch (error) {
    const unreachable = unreachableOrThrow(error)
    return {
      async fill() {
        signal.throwIfAborted()
        return unreachable
      },
    }
  }
}

function unreachableOrThrow(error: unknown): UnreachableError {
  if (error instanceof UnreachableError) return error
  throw error
}

import type { Queue } from 'bullmq'
import { NEVER_ABORTED, orAborted } from '../domain/abortable.js'
import { type Clock, systemClock } from '../domain/clock.js'
import type { Logger } from '../domain/logger.js'
import { lazyQueue } from './bullmq.js'
import { connect } from './connect.js'
import { type DeadLetterJobs, deadLetterJobs, deadLetterWork } from './dead-letter-queue.js'
import type { RedisAddress } from './redis-address.js'
import { openWorkerConnection } from './redis-client.js'
import { toQueueError, withQueueErrors } from './redis-error.js'
import { openRefusedCommands } from './refused-commands.js'
import { type RunningWorker, startQueueWorker, type Work } from './running-worker.js'
import { type SearchJobs, searchJobs } from './search-jobs.js'
import { searchWork } from './search-worker.js'
import { openThrottle, type Throttle } from './throttle.js'
import { openWorkerRegistry, type WorkerRegistry } from './worker-registry.js'

/**
 * The queue: two BullMQ queues (`search`, `dead-letters`) under one prefix, and a few keys beside them. It runs jobs
 * with the handlers that it is given, and knows nothing of their outcomes.
 * Errors: `UnreachableError` for a Redis that is away, read-only, full or refuses the password.
 */
export interface SearchQueue {
  readonly searches: SearchJobs
  readonly deadLetters: DeadLetterJobs
  readonly throttle: Throttle
  readonly registry: WorkerRegistry
  /** Whether Redis was lost, and is not tried again (`reconnect`). */
  isLost(): boolean
  /** BullMQ's own objects, for Bull Board only. */
  readonly boardQueues: { readonly search: Queue; readonly deadLetters: Queue }
  close(): Promise<void>
}

/** The braces keep all our keys in one slot of a Redis Cluster. */
export const DEFAULT_PREFIX = '{trackyard}'

const SEARCHES = 'search'
const DEAD_LETTERS = 'dead-letters'

export interface QueueOptions {
  readonly connection: RedisAddress
  readonly log: Logger
  readonly clock?: Clock
  /** Tests use random ones. */
  readonly prefix?: string
  /** The longest wait for an answer at the first connect, ms. Default 5,000. */
  readonly patienceMs?: number
  /** How long an answer of Redis may be due until the connection is given up, ms. Default 20,000. */
  readonly silenceMs?: number
  /** Whether to try once more after the connection was lost; if not, commands fail. Default: always. */
  readonly reconnect?: (lostMs: number) => boolean
  /** The longest delay of a job that stalled twice, ms. Default 60,000. */
  readonly longestStallDelayMs?: number
}

/** @throws UnreachableError when Redis cannot be used, within seconds; ConfigurationError for an invalid address */
export async function openSearchQueue(options: QueueOptions): Promise<SearchQueue> {
  const { log, clock = systemClock, prefix = DEFAULT_PREFIX, longestStallDelayMs = 60_000 } = options
  const probeKey = `${prefix}:probe`
  const connection = await connect({
    address: options.connection,
    log,
    patienceMs: options.patienceMs ?? 5000,
    probeKey,
    silenceMs: options.silenceMs,
    reconnect: options.reconnect,
  })
  const { redis, where, lost } = connection
  const refusals = openRefusedCommands({ redis, where, probeKey, log })
  const translated = <Part extends object>(part: Part): Part =>
    withQueueErrors(part, { where, lost, onError: refusals.report })
  const searches = lazyQueue(SEARCHES, prefix, redis)
  const deadLetters = lazyQueue(DEAD_LETTERS, prefix, redis)
  const throttle = openThrottle({ queue: searches, clock, rateKey: `${prefix}:rate` })
  const opening = openWorkerRegistry({
    redis,
    prefix,
    probeKey,
    where,
    queues: [SEARCHES, DEAD_LETTERS],
    refusals,
  })
  const registry = await orAborted(opening, lost ?? NEVER_ABORTED).catch(async (error: unknown) => {
    await connection.close()
    throw toQueueError(error, where)
  })
  const workers: RunningWorker[] = []

  async function start(queue: string, work: Work): Promise<RunningWorker> {
    const connection = openWorkerConnection({ address: options.connection, silenceMs: options.silenceMs })
    const worker = await startQueueWorker(queue, work, { connection, prefix, log, refusals })
    workers.push(worker)
    return worker
  }

  return {
    searches: translated({
      ...searchJobs(searches),
      work: (how) => start(SEARCHES, searchWork(how, { throttle, clock, log, longestStallDelayMs })),
    }),
    deadLetters: translated({
      ...deadLetterJobs(deadLetters),
      work: (how) => start(DEAD_LETTERS, deadLetterWork(how, log)),
    }),
    throttle: translated(throttle),
    registry: translated(registry),
    isLost: () => lost?.aborted === true,
    get boardQueues() {
      return { search: searches.bull(), deadLetters: deadLetters.bull() }
    },
    close: async () => {
      await Promise.all(workers.map((worker) => worker.abandon()))
      await Promise.all([searches.close(), deadLetters.close()])
      refusals.end()
      await connection.close()
    },
  }
}

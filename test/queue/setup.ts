import { randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeAll } from '@jest/globals'
import type { Aftermath, JobDecision } from '../../src/domain/decision.js'
import type { PauseCause } from '../../src/domain/pause.js'
import { jobIdOf, type SearchRef } from '../../src/domain/search-id.js'
import type { Priority } from '../../src/domain/states.js'
import type { RunningWorker } from '../../src/queue/running-worker.js'
import { openSearchQueue, type QueueOptions, type SearchQueue } from '../../src/queue/search-queue.js'
import type { WorkOptions } from '../../src/queue/search-worker.js'
import { recordingLogger } from '../support/recording-logger.js'
import { startRedis, type TestRedis } from '../support/redis.js'
import { until } from '../support/until.js'

/** What the tests of this folder share: numbered searches, a queue under a prefix of its own, and waiting for things that happen. */
export function ref(n: number, round = 1): SearchRef {
  return { fingerprint: n.toString(16).padStart(32, '0'), generation: 1, round }
}

export function numberOf(search: SearchRef): number {
  return Number.parseInt(search.fingerprint, 16)
}

export function jobs(numbers: readonly number[], priority: Priority = 'normal') {
  return numbers.map((n) => ({
    ref: ref(n),
    priority,
    data: { query: `query ${n}`, batch: 'night', row: String(n) },
  }))
}

export function range(from: number, to: number): readonly number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index)
}

/** For a worker of dead letters. It looks often for jobs without a lock; a slow machine costs nobody a lock. */
export const LOCKS = { lockDurationMs: 60_000, stalledIntervalMs: 100 }

export const NO_AFTERMATH: Aftermath = { endedProbe: false, tripped: null, othersFail: false }

export const DONE: JobDecision = { do: 'succeed', body: '', tracks: 1, durationMs: 1, ...NO_AFTERMATH }

export function deadLetter(error: string, pause: PauseCause | null = null): JobDecision {
  const death = {
    reason: 'refused',
    status: null,
    error,
    code: null,
    message: null,
    requestId: null,
    remedy: '',
  } as const
  return { do: 'deadLetter', death, body: null, pause, usesAttempt: false, ...NO_AFTERMATH }
}

export function rateLimit(until: number, behind = false): JobDecision {
  return { do: 'rateLimit', until, daily: false, behind, said: null, ...NO_AFTERMATH }
}

export function defer(until: number): JobDecision {
  return { do: 'defer', until, reason: 'refused alone', moreRefusals: null, ...NO_AFTERMATH }
}

export function retry(delayMs: number, changes: Partial<Aftermath> = {}): JobDecision {
  return {
    do: 'retry',
    at: Date.now() + delayMs,
    reason: 'the API answered 503',
    ...NO_AFTERMATH,
    ...changes,
  }
}

function noRedis(): never {
  throw new Error('these tests bring their own connection')
}

/** `stalls`: how often its worker died or froze. `attempt`: from 1, as BullMQ counts. */
interface CountedJob {
  readonly ref: SearchRef
  readonly stalls: number
  readonly attempt: number
}

/** A handler that is told what BullMQ counts of its job. */
export function counted(
  queue: SearchQueue,
  handle: (job: CountedJob) => ReturnType<WorkOptions['handle']>,
): WorkOptions['handle'] {
  return async ({ ref }) => {
    const job = await queue.boardQueues.search.getJob(jobIdOf(ref))
    return handle({ ref, stalls: job?.stalledCounter ?? 0, attempt: (job?.attemptsMade ?? 0) + 1 })
  }
}

/** Everything opened through it is closed by `closeAll`, in reverse. */
export function opener(redis: () => { readonly socketPath: string } = noRedis) {
  const cleanup: (() => Promise<unknown>)[] = []
  return {
    queue: async (options: Partial<QueueOptions> = {}): Promise<SearchQueue & { prefix: string }> => {
      const prefix = options.prefix ?? `{${randomUUID()}}`
      const queue = await openSearchQueue({
        connection: options.connection ?? { socketPath: redis().socketPath },
        log: recordingLogger(),
        patienceMs: 40_000,
        ...options,
        prefix,
      })
      cleanup.push(() => queue.close())
      return { ...queue, prefix }
    },
    work: async (
      queue: SearchQueue,
      handle: WorkOptions['handle'],
      options: Partial<WorkOptions> = {},
    ): Promise<RunningWorker> => {
      const worker = await queue.searches.work({
        concurrency: 1,
        lockDurationMs: 60_000,
        stalledIntervalMs: 1000,
        openCallMaxAgeMs: 0,
        ...options,
        handle,
      })
      cleanup.push(() => worker.stop(0))
      return worker
    },
    onClose: (closer: () => Promise<unknown>) => {
      cleanup.push(closer)
    },
    closeAll: async () => {
      for (const close of cleanup.splice(0).reverse()) await close()
    },
  }
}

/** Opens what a test needs on one Redis for all tests of the file; what was opened is closed after each. */
export function openerOnRedis() {
  let server: TestRedis
  const redis = (): TestRedis => server
  const open = opener(redis)
  beforeAll(async () => {
    server = await startRedis()
  })
  afterEach(() => open.closeAll())
  afterAll(() => server.stop())
  return { open, redis }
}

/** Looks more often than `until`: what is waited for may last a moment only. */
export function eventually(what: string, check: () => boolean | Promise<boolean>, withinMs = 120_000): Promise<void> {
  return until(check, { timeoutMs: withinMs, what, everyMs: 5 })
}

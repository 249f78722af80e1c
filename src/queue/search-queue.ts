import type { Queue } from 'bullmq'
import type { DeadLetter } from '../domain/dead-letter.js'
import type { JobDecision } from '../domain/decision.js'
import type { WriteFailure } from '../domain/pause.js'
import type { SearchRef } from '../domain/search-id.js'
import type { Priority } from '../domain/states.js'

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
  /** BullMQ's own objects, for Bull Board only. */
  readonly boardQueues: { readonly search: Queue; readonly deadLetters: Queue }
  close(): Promise<void>
}

/** Display only; the store is authoritative. Defaults are omitted, since Redis keeps 20,000 of these in memory. */
export interface SearchJobData {
  readonly query: string
  readonly limit?: number
  readonly offset?: number
  /** JSON. */
  readonly filters?: string
  readonly batch: string
  /** The user's own id of the first row that wants the search. */
  readonly item?: string
}

export interface QueueCounts {
  readonly waiting: number
  readonly active: number
  readonly delayed: number
  readonly failed: number
}

/** `active`: only the jobs that workers are processing. */
export type Looked = 'active' | 'everywhere'

export interface SearchJobs {
  /**
   * Adds jobs in chunks of 1,000. BullMQ ignores ids that exist, so adding is safe to repeat. A job that waits with a
   * lower priority is moved to the end of the given one.
   */
  add(
    jobs: readonly { readonly ref: SearchRef; readonly priority: Priority; readonly data: SearchJobData }[],
  ): Promise<void>
  counts(): Promise<QueueCounts>
  /**
   * Searches whose jobs are waiting or delayed, the next first. `limit`: the most of each state; default: all. Jobs
   * of unknown origin are left out.
   */
  pending(limit?: number): Promise<readonly SearchRef[]>
  /** The ids of those with a job in Redis that will still run or be moved (waiting, prioritized, delayed, active, failed). */
  present(refs: readonly SearchRef[]): Promise<ReadonlySet<string>>
  /** Removes jobs before they run. Returns the ids of all that are gone: all but the active ones. */
  remove(refs: readonly SearchRef[]): Promise<ReadonlySet<string>>
  /** When the first and the last delayed job are due, epoch ms; null: none is delayed. */
  delays(): Promise<{ readonly first: number; readonly last: number } | null>
  /** Jobs in the failed set, oldest first, for the dead-letter mover. */
  failed(limit: number): Promise<
    readonly {
      readonly ref: SearchRef | null
      readonly jobId: string
      readonly failedReason: string
      readonly stalledTooOften: boolean
    }[]
  >
  removeFailed(jobId: string): Promise<void>
  /** Drops unreadable jobs. `refs`: their searches, where the job id names one. */
  dropUnreadable(where: Looked): Promise<{ readonly refs: readonly SearchRef[]; readonly dropped: number }>
  /** Starts taking jobs. */
  work(options: WorkOptions): Promise<RunningWorker>
}

export interface WorkOptions {
  readonly concurrency: number
  readonly lockDurationMs: number
  readonly stalledIntervalMs: number
  /**
   * How long an open call of a dead worker blocks its search. A job that keeps crashing its worker is delayed for longer:
   * otherwise it would run again together with the jobs that were active beside it, and crash them again.
   */
  readonly openCallMaxAgeMs: number
  /**
   * Processes one job. `stalls`: how often its worker died or froze. `attempt`: from 1, as BullMQ counts. A throw is a
   * bug: it is logged, and the job runs again in 5 s.
   */
  handle(job: { readonly ref: SearchRef; readonly stalls: number; readonly attempt: number }): Promise<JobDecision>
  /** Called when a job has failed for good and is in the failed set. */
  onDeadLetter(): void
}

export interface RunningWorker {
  /**
   * Takes no new job. Resolves when active jobs are finished, or after graceMs, when the rest is requeued without using
   * an attempt. A second call returns the same promise.
   */
  stop(graceMs: number): Promise<{ readonly unfinished: number }>
  /** How many jobs are being processed now. */
  activeJobs(): number
}

export interface DeadLetterJobs {
  /** Adds them. The dead-letter worker fails each with its reason, so that it appears under *Failed*. */
  add(letters: readonly { readonly ref: SearchRef; readonly letter: DeadLetter }[]): Promise<void>
  /** All dead letters in the queue: failed already, or about to be. */
  refs(): Promise<readonly SearchRef[]>
  remove(refs: readonly SearchRef[]): Promise<void>
  count(): Promise<number>
  /** Drops unreadable jobs; the sweep adds their dead letters again. Returns how many. */
  dropUnreadable(where: Looked): Promise<number>
  /** Runs the dead-letter worker. It calls `retry` when somebody pressed Retry, and removes the job after it returns. */
  work(handlers: { retry(ref: SearchRef): Promise<void> }): Promise<RunningWorker>
}

/** Pause, rate limit and concurrency, kept in Redis and obeyed by all workers. */
export interface Throttle {
  pause(): Promise<void>
  resume(): Promise<void>
  isPaused(): Promise<boolean>
  /** No job starts before then. Only ever extends a rate limit. */
  rateLimit(until: number): Promise<void>
  /** Null: no rate limit. */
  rateLimitedUntil(): Promise<number | null>
  /** Ends the rate limit, and promotes the jobs that were delayed until its end. False: there was none. */
  liftRateLimit(): Promise<boolean>
  /**
   * Makes the rate limit in Redis match the store's (null: none). Shortens or lifts one that outlasts the store's, shortens
   * a window that is longer than the rate's, and sets a missing one. `tooLongMs`: by how much Redis would have stopped
   * workers too long, or 0. `wasStale`: more than the window of a slower rate that was changed a moment ago.
   */
  syncRateLimit(until: number | null): Promise<{ readonly tooLongMs: number; readonly wasStale: boolean }>
  /** Starts a minute for all workers together (BullMQ's global rate limit). */
  setRate(callsPerMinute: number): Promise<void>
  rate(): Promise<{ readonly callsPerMinute: number } | null>
  /** A probe: one call at a time. */
  startSerial(): Promise<void>
  stopSerial(): Promise<void>
  isSerial(): Promise<boolean>
}

/** The Redis owner, the live workers, and the leases of maintenance tasks. */
export interface WorkerRegistry {
  /** The id of the store whose window this Redis holds; null: none, Redis lost its data, or the key is damaged. */
  owner(): Promise<string | null>
  /** The damaged keys under our prefix. Single jobs are not checked. */
  damage(): Promise<readonly string[]>
  /** Removes every key under our prefix except that lease, which this process holds and keeps for `ms` more. */
  clear(lease: string, ms: number): Promise<void>
  /** False: another store is the owner already. */
  claimOwnership(storeId: string): Promise<boolean>
  /** True: this process may run the task for that long. A call by the holder extends the lease; others get false. */
  lease(task: string, ms: number): Promise<boolean>
  release(task: string): Promise<void>
  /** Notes which limit the rate was set from; expires after 30 s. */
  keepLimit(limit: number | 'auto'): Promise<void>
  /** Null: not noted in the last 30 s. */
  keptLimit(): Promise<number | 'auto' | null>
  /** The number of the latest call in the store: one that has fewer was restored from an older backup. */
  keepLatestCall(call: number): Promise<void>
  /** 0: not known. */
  latestCall(): Promise<number>
  /** Marks a worker as alive for 15 s, with the write failure that keeps it from making calls. */
  heartbeat(worker: { readonly id: string; readonly trouble: WriteFailure | null }): Promise<void>
  unregister(workerId: string): Promise<void>
  /** How many are alive. `idsFrom`: only those whose ids begin with it. */
  workers(idsFrom?: string): Promise<number>
  /** Workers that neither live nor unregistered: they were killed, or Redis was away for longer than a heartbeat lasts. */
  missing(): Promise<readonly string[]>
  /** The write failures of live workers. `idsFrom`: as above. */
  writeFailures(idsFrom?: string): Promise<readonly WriteFailure[]>
  /** For `down`: asks every process to stop; expires after a minute. `at`: epoch milliseconds. */
  askToStop(at: number): Promise<void>
  /** When `askToStop` was last called; null: not in the last minute. */
  stopAskedAt(): Promise<number | null>
  /** Warnings about this Redis: eviction policy, missing append-only file, version. */
  warnings(): Promise<readonly string[]>
  /** The address, without password. */
  describe(): string
}

import type { Queue } from 'bullmq'
import type { DeadLetter } from '../domain/dead-letter.js'
import type { SearchRef } from '../domain/search-id.js'
import type { Priority } from '../domain/states.js'
import type { Step } from '../domain/step.js'
import type { WriteFailure } from '../domain/write-failure.js'

/**
 * The delivery: two BullMQ queues (`search`, `dead-letters`) under one prefix, and the few keys beside
 * them. It knows jobs, not searches' verdicts: it is given handlers.
 * Errors: `UnreachableError` for a Redis that is away, read-only, full or wants another password.
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

/** For the eye only; the truth is in the store. What is as by default is left out: twenty thousand of these lie in memory. */
export interface SearchJobData {
  readonly query: string
  readonly limit?: number
  readonly offset?: number
  /** JSON. */
  readonly filters?: string
  readonly batch: string
  /** The user's own id of the first row that asks. */
  readonly item?: string
}

export interface QueueCounts {
  readonly waiting: number
  readonly active: number
  readonly delayed: number
  readonly failed: number
}

/** `active`: only the jobs that workers have in hand. */
export type Looked = 'active' | 'everywhere'

export interface SearchJobs {
  /**
   * The only addBulk in the program, in chunks of 1,000. Ids that exist are swallowed, which is what makes it safe to repeat;
   * one that waits for less is moved forward, behind what waits for that priority already.
   */
  add(
    jobs: readonly { readonly ref: SearchRef; readonly priority: Priority; readonly data: SearchJobData }[],
  ): Promise<void>
  counts(): Promise<QueueCounts>
  /**
   * Searches whose jobs wait for their turn or for their time, the next ones first. `limit`: at most so many of each kind;
   * all by default. Jobs that are not ours are left out.
   */
  pending(limit?: number): Promise<readonly SearchRef[]>
  /** Which of these have a job in Redis, in a state that will still run or be moved (waiting, prioritized, delayed, active, failed). */
  present(refs: readonly SearchRef[]): Promise<ReadonlySet<string>>
  /** Takes jobs out before they run. Returns the ids of those that are gone: all but the ones in hand just now. */
  remove(refs: readonly SearchRef[]): Promise<ReadonlySet<string>>
  /** When the first and the last of the delayed jobs are due, epoch ms; null: none is delayed. */
  delays(): Promise<{ readonly first: number; readonly last: number } | null>
  /** Jobs in the failed set, oldest first: the mover's work. `failedReason` as BullMQ or `bury` wrote it. */
  failed(limit: number): Promise<
    readonly {
      readonly ref: SearchRef | null
      readonly jobId: string
      readonly failedReason: string
      readonly stalledTooOften: boolean
    }[]
  >
  removeFailed(jobId: string): Promise<void>
  /** Drops jobs that cannot be read. Returns whose they were, as far as their ids say so, and how many. */
  dropUnreadable(where: Looked): Promise<{ readonly refs: readonly SearchRef[]; readonly dropped: number }>
  /** Starts taking jobs. */
  work(options: WorkOptions): Promise<RunningWorker>
}

export interface WorkOptions {
  readonly concurrency: number
  readonly lockDurationMs: number
  readonly stalledIntervalMs: number
  /**
   * For so long a call that died with its worker bars its search. A job that keeps dying rests beyond that: else it would
   * come back at that same moment with all its neighbours, and the poison among them.
   */
  readonly openCallMaxAgeMs: number
  /** One job in hand. `stalls`: how often its worker died or froze; `attempt`: from 1, as BullMQ counts. What it throws is a bug: logged, tried again in 5 s. */
  handle(job: { readonly ref: SearchRef; readonly stalls: number; readonly attempt: number }): Promise<Step>
  /** A job failed for good: look into the failed set. */
  onDeadLetter(): void
}

export interface RunningWorker {
  /** Takes no new job; resolves when those in hand are settled, or after graceMs, when the rest is given back unharmed. Second call: the same promise. */
  stop(graceMs: number): Promise<{ readonly unfinished: number }>
  /** Jobs in hand now. */
  activeJobs(): number
}

export interface DeadLetterJobs {
  /** Adds them; the parking worker fails each with its true reason so that it stands under *Failed*. */
  add(letters: readonly { readonly ref: SearchRef; readonly letter: DeadLetter }[]): Promise<void>
  /** Refs of all letters that stand in the queue (parked or about to be). */
  refs(): Promise<readonly SearchRef[]>
  remove(refs: readonly SearchRef[]): Promise<void>
  count(): Promise<number>
  /** Drops jobs that cannot be read; the sweep parks their letters again. Returns how many. */
  dropUnreadable(where: Looked): Promise<number>
  /** Runs the parking worker. `retry` is called when somebody pressed Retry; once it has returned, the letter is removed. */
  work(handlers: { retry(ref: SearchRef): Promise<void> }): Promise<RunningWorker>
}

/** What opens and closes the fleet: all of it lives in Redis and holds for every worker. */
export interface Throttle {
  pause(): Promise<void>
  resume(): Promise<void>
  isPaused(): Promise<boolean>
  /** Nobody starts before then; extend-only. */
  rateLimit(until: number): Promise<void>
  /** Null when nobody is held. */
  rateLimitedUntil(): Promise<number | null>
  /** Ends the hold, and brings forward the jobs that were delayed until its end. False: nobody was held. */
  liftRateLimit(): Promise<boolean>
  /**
   * Makes the hold the one on record (null: none): lifts or shortens one that outlasts it, and a window of the pace that no
   * pace explains; sets one that is missing. Returns by how many ms Redis would have kept the fleet too long, 0 for not at
   * all, and whether that was stale: not only the window of a slower pace that has just been changed.
   */
  syncRateLimit(until: number | null): Promise<{ readonly tooLongMs: number; readonly wasStale: boolean }>
  /** Starts a minute for the whole fleet (BullMQ's global rate limit). */
  setRate(callsPerMinute: number): Promise<void>
  rate(): Promise<{ readonly callsPerMinute: number } | null>
  /** A probe: one call at a time. */
  startSerial(): Promise<void>
  stopSerial(): Promise<void>
  isSerial(): Promise<boolean>
}

/** Whose Redis this is, who works on it, and who does a chore. */
export interface WorkerRegistry {
  /** The id of the store whose window this Redis holds; null: nobody's, it lost everything, or the key is damaged. */
  owner(): Promise<string | null>
  /** Names of keys under our prefix that hold what we never wrote; empty when all is well. Single jobs are not looked at. */
  damage(): Promise<readonly string[]>
  /** Removes every key under our prefix except that lease, which this process holds and keeps for `ms` more. */
  clear(lease: string, ms: number): Promise<void>
  /** False when somebody else's id stands there already. */
  claimOwnership(storeId: string): Promise<boolean>
  /** True when this process may do the chore for that long; the holder's own call extends it (sticky), others get false. */
  lease(task: string, ms: number): Promise<boolean>
  release(task: string): Promise<void>
  /** Who keeps the pace says by which setting; known for half a minute. */
  keepLimit(limit: number | 'auto'): Promise<void>
  /** Null: nobody has said so lately. */
  keptLimit(): Promise<number | 'auto' | null>
  /** The number of the latest call in the store: one that has fewer was restored from an older backup. */
  keepLatestCall(call: number): Promise<void>
  /** 0: not known. */
  latestCall(): Promise<number>
  /** A worker says that it lives (expires after 15 s), and what keeps it from calling. */
  heartbeat(worker: { readonly id: string; readonly trouble: WriteFailure | null }): Promise<void>
  unregister(workerId: string): Promise<void>
  /** How many live. `idsFrom`: only those whose ids begin like this. */
  workers(idsFrom?: string): Promise<number>
  /** Of those workers that have any. `idsFrom`: as above. */
  writeFailures(idsFrom?: string): Promise<readonly WriteFailure[]>
  /** `down`: asks every process of the fleet to stop (kept for a minute). `at`: epoch milliseconds. */
  askToStop(at: number): Promise<void>
  /** When somebody last asked; null: not in the last minute. */
  stopAskedAt(): Promise<number | null>
  /** What a person should know about this Redis: eviction policy, missing AOF, version. Empty when all is well. */
  warnings(): Promise<readonly string[]>
  /** Without password. */
  describe(): string
}

import type { PauseCause } from '../domain/pause.js'
import type { BatchState, QueueState } from '../domain/states.js'
import type { Actor, TimelineKind } from '../store/timeline.js'

/** What `status --json` prints; the names are a contract with scripts. Instants are ISO 8601. */
export interface StatusReport {
  readonly queue: {
    readonly state: QueueState
    /** Explains the state: cause, since when, what it costs, what to do. */
    readonly reason: string
    /** When the state ends by itself; null: it does not, or the end is not known. */
    readonly until: string | null
    /** Since when the first of the pauses is in force; null: there is none. */
    readonly since: string | null
    /** Causes of all pauses in force, also in another state: without a worker it is `no_workers`. */
    readonly causes: readonly PauseCause[]
    /** One call at a time, until one succeeds. */
    readonly probing: boolean
    /** Searches that are due, in Redis or not. */
    readonly waiting: number
    readonly active: number
    readonly delayed: number
    readonly dead_letters: number
    readonly workers: number
    /** Workers that cannot write to the store, and so make no calls. */
    readonly write_failures: number
  }
  readonly credits: {
    readonly remaining: number | null
    /** Calls that the API answered with 200, one credit each. */
    readonly spent: number
    /** Calls that may have cost a credit; not in `spent`. */
    readonly unknown_outcomes: number
    /** Of these, the ones that nobody has looked at: `status --unknown --seen`. */
    readonly unknown_unseen: number
    /** Credits for all due searches. */
    readonly needed: number
    /** How many of the needed credits are missing, the reserve excluded; 0: none, or the balance is not known. */
    readonly missing: number
    /** When the credits end at the current rate; null: they suffice, or no calls are made. */
    readonly last_until: string | null
  }
  readonly calls_per_minute: { readonly limit: number | null; readonly last: number }
  /** When all due searches will be done at the current rate; null when nothing is due or no calls are made. */
  readonly finish_at: string | null
  readonly notifications: {
    /** Stored for the webhook, and not accepted by it yet. */
    readonly pending: number
    /** When the oldest of them was stored; null: there is none. */
    readonly since: string | null
    /** Live workers with a webhook. */
    readonly senders: number
  }
  /** What happened, newest first. */
  readonly timeline: readonly TimelineStatus[]
  /** Live workers, the oldest first. */
  readonly workers: readonly WorkerStatus[]
  readonly batches: readonly BatchStatus[]
}

export interface TimelineStatus {
  readonly at: string
  readonly kind: TimelineKind
  readonly by: Actor
  readonly what: string
}

export interface WorkerStatus {
  /** Null, like the next three: a worker that waits for its store. */
  readonly host: string | null
  readonly pid: number | null
  readonly since: string | null
  readonly in_flight: number | null
  /** Why it makes no calls; null: it works. */
  readonly write_failure: string | null
}

export interface BatchStatus {
  readonly batch: number
  readonly name: string
  /** `done`: released, and every row has its final status. */
  readonly state: BatchState | 'done'
  readonly rows: number
  readonly tagged: number
  readonly no_match: number
  readonly waiting: number
  readonly withheld: number
  readonly dead: number
  readonly invalid: number
  readonly cancelled: number
  /** Calls charged to the batch: paid, possibly paid, and in flight. */
  readonly credits_spent: number
  /** Calls that it may still be charged with. A search that several batches want counts for each. */
  readonly credits_needed: number
  /** Null: only `status` has it. */
  readonly calls_last_minute: number | null
  readonly created_at: string
  readonly completed_at: string | null
  /** A worker releases it then; null: it is released. */
  readonly not_before: string | null
  /** When it will be done, at the current rate and after more urgent and older batches; null: as for all of them, or only `status` has it. */
  readonly finish_at: string | null
  /** When it should be done; null: no deadline. */
  readonly deadline: string | null
  /** Whether it is done by the deadline, or `finish_at` is; null: no deadline, cancelled, or nobody can tell yet. */
  readonly meets_deadline: boolean | null
}

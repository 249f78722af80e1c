import type { Environment } from '../config/env-file.js'
import type { DeathReason } from '../domain/dead-letter.js'
import type { Logger } from '../domain/logger.js'
import type { CallOutcome } from '../domain/outcome.js'
import type { PauseCause } from '../domain/pause.js'
import type { Filters, SearchRequest } from '../domain/request.js'
import type { BatchState, Priority, QueueState, RowStatus, SearchState } from '../domain/states.js'
import type { Tags, Track } from '../domain/tags.js'

/**
 * Batches from a script: the command line as functions. A client spends nothing; a worker
 * (`trackyard-batch worker`) makes the calls. A client needs no API key. `openBatchClient` opens one.
 *
 * Every method throws a `BatchError` for what a person or a script can act on; its `code` is stable.
 * An aborted signal rejects with the signal's reason. After `close` every other method throws. One that is still running
 * throws, too.
 */
export interface BatchClient {
  /**
   * Loads the rows as a batch and releases it. Rows are streamed: memory does not grow with their
   * number. The release is its last step but one: then Redis is filled, and if it is unreachable, workers do that later.
   */
  submit(rows: RowSource, options: SubmitOptions): Promise<SubmittedBatch>
  /** Loads the rows but does not release them. Nothing is spent until `release`. */
  plan(rows: RowSource, options: SubmitOptions): Promise<PlannedBatch>
  /**
   * Continues a batch after `first`, or changes its cap. A scheduled batch is released now; its own `first` still
   * applies, unless `maxCredits` is given.
   */
  release(batch: BatchRef, options?: ReleaseOptions): Promise<BatchStatus>
  /** Stops a batch and keeps its answers. Null: it was not released yet, and dropped. */
  cancel(batch: BatchRef, options?: Abortable): Promise<BatchStatus | null>
  /**
   * Stops all calls of all workers until `resume`. False: it was paused by hand already.
   * @param options the reason is one line of at most 200 characters
   */
  pause(options?: Abortable & { readonly reason?: string | undefined }): Promise<boolean>
  /**
   * Ends a rate limit, and every pause except that of the active hours. With `now` also that one, until the hours end
   * the next time.
   */
  resume(options?: Abortable & { readonly now?: boolean | undefined }): Promise<Resumed>
  /** The state of the queue, and of one batch or 20, unfinished ones first. */
  status(batch?: BatchRef, options?: Abortable): Promise<Status>
  /** Waits until no row of the batch is waiting any more, or until the timeout. */
  wait(batch: BatchRef, options?: Abortable & { readonly timeoutMs?: number | undefined }): Promise<WaitResult>
  /**
   * The batch and the queue, now and whenever they change. Ends like `wait`, with the last event; without one if the
   * batch is dropped.
   */
  watch(batch: BatchRef, options?: Abortable): AsyncIterable<Progress>
  /**
   * Every row in input order, each with exactly one status. All rows are from one snapshot, unless
   * reading takes longer than 30 s.
   * @param options `after`: the position of the last row that you have; reading continues behind it
   */
  results(batch: BatchRef, options?: Abortable & { readonly after?: number | undefined }): AsyncIterable<RowResult>
  /**
   * Everything about one row or search: by your own id, its position, or a fingerprint.
   * @returns null if nothing has that name
   */
  show(
    what: string | number,
    options?: Abortable & { readonly batch?: BatchRef | undefined },
  ): Promise<ShownRow | ShownSearch | null>
  /** Searches that failed for good. */
  readonly deadLetters: DeadLetters
  /** Balance and limits, from the API if a key is set and it answers. */
  account(options?: Abortable): Promise<Account>
  close(): Promise<void>
}

export interface Abortable {
  readonly signal?: AbortSignal | undefined
}

/** A batch's id, or its name if no other batch has it. */
export type BatchRef = number | string

/**
 * Objects with named values, or a catalog file: its path, or a stream of its bytes. Without a template
 * a row carries its request itself: `query`, and optionally `limit`, `offset` and `filters`.
 */
export type RowSource = Iterable<object> | AsyncIterable<object> | { readonly path: string }

export interface BatchOptions {
  /** One line, 1 to 200 characters. Required, unless the batch continues another, whose name is the default. */
  readonly name?: string | undefined
  /** A template such as `"{title} {mood} music"`. Default: each row's own `query`. */
  readonly query?: string | undefined
  /** The property or column that holds your own id. Default: `id`, if there is one. */
  readonly id?: string | undefined
  /** Tracks wanted per search, 1–100. Default 20. */
  readonly limit?: number | undefined
  /** For every search. Without a template, those of a row are added and win. */
  readonly filters?: Filters | undefined
  readonly priority?: Priority | undefined
  /** The most credits this batch may use. Default: no cap. */
  readonly maxCredits?: number | undefined
  /** Release only the first n searches, at least 1. `release` lets the rest continue. */
  readonly first?: number | undefined
  /** Buy an answer again if it is older than this. Default: never. */
  readonly maxAgeDays?: number | undefined
  /** Release it then, not at once: a worker does. */
  readonly notBefore?: Date | undefined
  /** The plan and the status say whether it will be done by then. */
  readonly deadline?: Date | undefined
  /** Of a file: between its cells. Default: detected. */
  readonly delimiter?: string | undefined
  /** Of a file, such as "windows-1251". Default: from its byte order mark, else UTF-8. */
  readonly encoding?: string | undefined
  /** Of a file: the line of its header. Default: the first, or the one below a title. */
  readonly headerRow?: number | undefined
  /**
   * The batch that these rows correct or extend. Once released, this batch takes its place: searches that the
   * earlier one has not called yet, and that are not among these rows, are not called any more. The earlier
   * one's name, template, id, limit, filters and priority are the defaults.
   */
  readonly continues?: BatchRef | undefined
}

export interface SubmitOptions extends BatchOptions, Abortable {
  /** Called while rows are loaded, with their number so far. */
  readonly onProgress?: ((rows: number) => void) | undefined
}

export interface SubmittedBatch {
  readonly id: number
  readonly plan: Plan
}

export interface PlannedBatch extends SubmittedBatch {
  release(options?: Abortable): Promise<void>
  /** Deletes it; nothing was spent. */
  drop(): Promise<void>
}

/** What a batch costs and how long it takes. */
export interface Plan {
  readonly name: string
  readonly rows: number
  readonly accepted: number
  readonly invalid: number
  /** Of the first invalid rows. */
  readonly invalidReasons: readonly string[]
  /** Unique searches: `new`, and the next three. */
  readonly searches: number
  readonly new: number
  readonly alreadyQueued: number
  readonly alreadyAnswered: number
  readonly alreadyDead: number
  /** At most the caps. */
  readonly creditsNeeded: number
  /** Null: not known. */
  readonly creditsRemaining: number | null
  /** After the reserve; null: not known. */
  readonly creditsMissing: number | null
  readonly callsPerMinute: number
  /** If nothing else uses the key. */
  readonly finishAt: Date
  /** Whether it will be done by the deadline; null: it has none, or nobody can tell: paused, or too few credits. */
  readonly meetsDeadline: boolean | null
  /** How the rows differ from those of the batch that it continues; null: it continues none. */
  readonly continues: RowChanges | null
  /** What may not be what you mean, and what stops the calls now. */
  readonly warnings: readonly string[]
  /** The first requests, as the API gets them. */
  readonly examples: readonly SearchRequest[]
}

export interface RowChanges {
  /** The batch that is continued. */
  readonly batch: number
  readonly new: number
  /** Rows whose search is not that of the same row in the earlier batch. */
  readonly changed: number
  /** Rows of the earlier batch that this catalog lacks. */
  readonly gone: number
  readonly unchanged: number
}

export interface ReleaseOptions extends Abortable {
  /** The most credits this batch may ever use; null: no cap. Default: its cap stays. */
  readonly maxCredits?: number | null | undefined
}

export interface Resumed {
  readonly ended: readonly PauseCause[]
  readonly stillPaused: readonly PauseCause[]
  /** Searches that were refused because of the key, and are due again. */
  readonly retried: number
}

export interface Status {
  readonly queue: QueueStatus
  readonly credits: {
    readonly remaining: number | null
    /** Calls that the API answered with 200, one credit each. */
    readonly spent: number
    /** Calls that may have cost a credit without an answer; not in `spent`. */
    readonly unknownOutcomes: number
  }
  readonly callsPerMinute: { readonly limit: number | null; readonly last: number }
  /** When all due searches are done; null: nothing is due, or no calls are made. */
  readonly finishAt: Date | null
  readonly batches: readonly BatchStatus[]
}

export interface QueueStatus {
  readonly state: QueueState
  /** Explains the state: cause, since when, what it costs, what to do. */
  readonly reason: string
  readonly until: Date | null
  readonly causes: readonly PauseCause[]
  /** Searches that are due. */
  readonly waiting: number
  readonly active: number
  readonly delayed: number
  readonly deadLetters: number
  readonly workers: number
}

export interface BatchStatus {
  readonly id: number
  readonly name: string
  /** `done`: released, and every row has its final status. `rowsWithoutAnswer` says how well it went. */
  readonly state: BatchState | 'done'
  readonly rows: number
  readonly tagged: number
  readonly noMatch: number
  readonly dead: number
  readonly invalid: number
  readonly withheld: number
  readonly waiting: number
  readonly cancelled: number
  /** Dead, invalid and cancelled rows. */
  readonly rowsWithoutAnswer: number
  readonly createdAt: Date
  readonly completedAt: Date | null
  /** A worker releases it then; null: it is released. */
  readonly notBefore: Date | null
  /** Null: none. */
  readonly deadline: Date | null
  /** Null: no deadline, cancelled, or nobody can tell yet. */
  readonly meetsDeadline: boolean | null
}

/**
 * - `done`: every row has an answer, tagged or no match.
 * - `rows_without_answer`: finished, but rows are dead, invalid or cancelled.
 * - `rows_withheld`: only withheld rows remain.
 * - `batch_dropped`: its submit ended before the release.
 * - `timed_out`: the wait is over; nothing was changed.
 */
export type WaitOutcome = 'done' | 'rows_without_answer' | 'rows_withheld' | 'batch_dropped' | 'timed_out'

export interface WaitResult {
  readonly outcome: WaitOutcome
  /** Null if it was dropped. */
  readonly batch: BatchStatus | null
}

export interface Progress {
  readonly batch: BatchStatus
  readonly queue: QueueStatus
  /** Null while rows are waiting; else this is the last event. */
  readonly outcome: Exclude<WaitOutcome, 'batch_dropped' | 'timed_out'> | null
}

export interface RowResult {
  readonly position: number
  /** Your own id. */
  readonly id: string | null
  readonly status: RowStatus
  /** Null unless tagged. */
  readonly tags: Tags | null
  /** Best match first; empty unless tagged. */
  readonly tracks: readonly Track[]
  /** Why it is dead or invalid. */
  readonly error: string | null
  /**
   * The row as it came in. Of a CSV file an object by column. A whole number that JavaScript would
   * round is a BigInt; any other such number is a string of its digits.
   */
  readonly row: unknown
}

export interface ShownRow {
  readonly kind: 'row'
  readonly batch: number
  readonly position: number
  readonly id: string | null
  readonly status: RowStatus
  readonly error: string | null
  readonly row: unknown
  /** Null if it is invalid. */
  readonly search: ShownSearch | null
}

export interface ShownSearch {
  readonly kind: 'search'
  /** Its fingerprint, with `-<generation>` when it is not the first. */
  readonly search: string
  readonly request: SearchRequest
  readonly state: SearchState
  readonly death: { readonly reason: DeathReason; readonly error: string; readonly remedy: string } | null
  readonly calls: readonly {
    readonly sentAt: Date
    /** Null while it is open, or if its end is not known. */
    readonly finishedAt: Date | null
    readonly outcome: CallOutcome
    readonly status: number | null
    readonly requestId: string | null
  }[]
  /** The answer's tracks; null without an answer that can be read. */
  readonly tracks: readonly Track[] | null
  /** Rows that share it, 1,000 at most. */
  readonly rows: readonly FoundRow[]
}

export interface FoundRow {
  readonly batch: number
  readonly position: number
  /** Your own id. */
  readonly id: string | null
}

export interface DeadLetters {
  /** Oldest death first. */
  list(filter?: DeadLetterFilter & { readonly discarded?: boolean | undefined }): AsyncIterable<DeadLetter>
  /** Sends them back: each may cost a credit. Needs a filter, or `all`. */
  retry(filter: DeadLetterFilter & { readonly all?: boolean | undefined }): Promise<Retried>
  /** Takes them off the list; their rows stay dead. Needs a filter, or `all`. Returns how many. */
  discard(filter: DeadLetterFilter & { readonly all?: boolean | undefined }): Promise<number>
}

/** All that are given must match. */
export interface DeadLetterFilter extends Abortable {
  readonly batch?: BatchRef | undefined
  /** HTTP status. */
  readonly status?: number | undefined
  /** The API's error code. */
  readonly code?: string | undefined
  /** A fingerprint or a unique prefix of it. */
  readonly search?: string | undefined
}

export interface DeadLetter {
  readonly search: string
  readonly query: string
  readonly status: number | null
  readonly error: string
  readonly code: string | null
  readonly message: string | null
  readonly requestId: string | null
  readonly attempts: number
  /** Rows that share the search. */
  readonly rows: number
  /** The first five of them. */
  readonly foundIn: readonly FoundRow[]
  readonly diedAt: Date
  readonly remedy: string
  /** An earlier call may have been paid for already; a retry is charged again. */
  readonly maybePaid: boolean
}

export interface Retried {
  readonly retried: number
  /** How many of these will be called. */
  readonly due: number
  /** Not due, because the cap of their batch is used up. No released batch wants the rest. */
  readonly withheld: number
  /** How many of these may be paid for already: an earlier answer was lost or unreadable. */
  readonly maybePaid: number
}

export interface Account {
  readonly tier: string | null
  readonly creditsRemaining: number | null
  readonly monthlyAllowance: number | null
  readonly limitPerMinute: number | null
  readonly limitPerDay: number | null
  readonly remainingToday: number | null
  readonly heardAt: Date | null
  /** Why these are the last known values, or unknown; null: they are fresh. */
  readonly staleReason: string | null
}

export interface ClientOptions {
  /** All settings, as `TRACKYARD_` names; no `.env` is read then. Default: this process's environment and `.env`. */
  readonly env?: Environment
  /** Gets warnings, such as that Redis is unreachable. Default: none. */
  readonly log?: Logger
}

import type { DeadLetter, Death } from '../domain/dead-letter.js'
import type { LoadedRow } from '../domain/loaded-row.js'
import type { CallOutcome, ResponseFacts } from '../domain/outcome.js'
import type { Pause, PauseCause } from '../domain/pause-cause.js'
import type { SearchRequest } from '../domain/request.js'
import type { SearchRef } from '../domain/search-id.js'
import type { BatchState, ItemStatus, Priority, SearchState } from '../domain/states.js'

/**
 * The record: what is true. Redis only holds a window of it. Every method is one transaction
 * (`BEGIN IMMEDIATE`, nothing awaited inside) and every transition is guarded: it names the state and
 * round that it leaves and says whether it happened. All instants are epoch milliseconds.
 *
 * Errors: `UnreachableError` when the file is locked for too long or the disk is full; the caller
 * decides whether to wait. Anything else that is thrown is a bug.
 */
export interface Store {
  /** Random, made with the file: how a Redis knows whose window it holds. */
  readonly id: string
  /** Where the file is, for people. */
  readonly path: string
  readonly batches: BatchRecord
  readonly feed: FeedRecord
  readonly calls: CallLedger
  readonly pauses: PauseRecord
  readonly account: AccountRecord
  readonly deadLetters: DeadLetterRecord
  readonly reports: Reports
  close(): Promise<void>
}

// ── Batches ────────────────────────────────────────────────────────────────────────────────────

export interface NewBatch {
  readonly name: string
  /** The path it was read from, or null (stdin, a script). */
  readonly catalogPath: string | null
  readonly format: 'csv' | 'jsonl'
  /** Between cells, for CSV. */
  readonly delimiter: string | null
  /** The input's columns in order; empty for JSONL. */
  readonly columns: readonly string[]
  readonly template: string | null
  readonly priority: Priority
  /** An answer older than this is asked again (a new generation); null: an answer is reused for ever. */
  readonly maxAgeMs: number | null
  readonly createdAt: number
}

export interface Plan {
  readonly rows: number
  readonly accepted: number
  readonly invalid: number
  /** The first few, with line numbers. */
  readonly invalidReasons: readonly string[]
  /** Unique searches; the next four add up to it. */
  readonly searches: number
  readonly new: number
  readonly alreadyQueued: number
  readonly alreadyAnswered: number
  readonly alreadyDead: number
  /** One per search without a verdict that no other released batch is due to pay: the new ones. */
  readonly creditsNeeded: number
  /** Searches due for other released batches, which run before or beside this one. */
  readonly dueElsewhere: number
  /** The first five rendered requests, in input order. */
  readonly examples: readonly SearchRequest[]
}

export interface Batch {
  readonly id: number
  readonly name: string
  readonly state: BatchState
  readonly priority: Priority
  readonly catalogPath: string | null
  readonly format: 'csv' | 'jsonl'
  readonly delimiter: string | null
  readonly columns: readonly string[]
  /** `--max-credits`: the most calls that may be charged to it; null: no cap. */
  readonly maxCredits: number | null
  /** `--first`: the most calls before `release`; null: no such limit. */
  readonly first: number | null
  /** Calls charged to it: paid, perhaps paid, and in flight. */
  readonly charged: number
  readonly createdAt: number
  /** When the last search it wants got its verdict (or it was cancelled); null before. */
  readonly completedAt: number | null
}

export interface BatchRecord {
  create(batch: NewBatch): Promise<number>
  /** Adds a chunk to a loading batch. A key that stood on an earlier row becomes an invalid item ("repeated id …"). */
  addRows(batchId: number, rows: readonly LoadedRow[], now: number): Promise<void>
  /** Says that the loader is alive; see `dropAbandoned`. */
  heartbeat(batchId: number, now: number): Promise<void>
  plan(batchId: number, now: number): Promise<Plan>
  /** loading → released, or a released one's caps changed. False when the batch is neither. Withheld searches become due. */
  release(
    batchId: number,
    caps: { readonly maxCredits: number | null; readonly first: number | null },
    now: number,
  ): Promise<boolean>
  /** released → cancelled. Searches nobody else wants are not called any more; those in flight finish. */
  cancel(batchId: number, now: number): Promise<boolean>
  /** Removes a loading batch with its items and the searches only it wanted. */
  drop(batchId: number): Promise<void>
  /** Drops loading batches whose loader has not been heard of since then. Returns how many. */
  dropAbandoned(heardBefore: number): Promise<number>
  /** By id ("12") or name (the latest of that name); null argument: the latest. A name wins over an id that looks like it. */
  find(idOrName: string | null): Promise<Batch | null>
  /** Batches whose last verdict has come and whose completion has not been announced yet; marks them announced. */
  takeCompleted(now: number): Promise<readonly Batch[]>
}

// ── Feed: what is due, and what Redis is believed to hold ──────────────────────────────────────

export interface DueSearch {
  readonly ref: SearchRef
  readonly request: SearchRequest
  readonly priority: Priority
  /** For the eye of who looks at the job. */
  readonly batchName: string
  readonly itemKey: string | null
}

export interface FeedRecord {
  /** Searches in state `queued`, by the priority they were queued with. */
  queued(): Promise<Readonly<Record<Priority, number>>>
  /**
   * Waiting searches that a released batch with budget left wants, best priority first, then oldest batch, then
   * position; never more for a capped batch than its budget has left (counting what is queued for it).
   * `room` is how many may be queued per priority.
   */
  due(limit: number, room: Readonly<Record<Priority, number>>): Promise<readonly DueSearch[]>
  /** waiting → queued, after the jobs were added to Redis. A crash between: the same ids are added again and swallowed. */
  markQueued(refs: readonly { readonly ref: SearchRef; readonly priority: Priority }[], now: number): Promise<number>
  /** Queued before this instant, a page by internal order; `after` is the cursor of the previous page. */
  queuedRefs(
    before: number,
    after: number,
    limit: number,
  ): Promise<{ readonly refs: readonly SearchRef[]; readonly next: number | null }>
  /** queued (that round) → waiting with a new round: the job is gone from Redis. Returns how many. */
  putBack(refs: readonly SearchRef[]): Promise<number>
  /** Every queued one → waiting with a new round: Redis lost everything. */
  putBackAll(): Promise<number>
}

// ── Calls: the ledger ──────────────────────────────────────────────────────────────────────────

export type Claim =
  | {
      readonly kind: 'granted'
      readonly callId: number
      readonly request: SearchRequest /** Attempts used before. */
      readonly failures: number
      readonly probing: boolean
    }
  /** It has its verdict, it is another round, or we do not know it: complete without a call. */
  | { readonly kind: 'nothing_to_do'; readonly why: 'answered' | 'dead' | 'old round' | 'unknown search' }
  /** No released batch with budget left wants it: it went back to waiting with a new round. */
  | { readonly kind: 'not_due' }
  /** A call for it is in flight (or was, in a process that died): not before then. */
  | { readonly kind: 'call_open'; readonly until: number }
  | { readonly kind: 'paused'; readonly cause: PauseCause }
  /** Calls in flight may use up what is left above the reserve: ask again in a moment. */
  | { readonly kind: 'reserve_near'; readonly until: number }

export interface ClaimRules {
  readonly now: number
  /** Open calls older than this are of unknown outcome: the request timeout plus 5 s. */
  readonly openCallMaxAgeMs: number
  /** TRACKYARD_CREDIT_RESERVE. */
  readonly creditReserve: number
}

/** How a call ended, and what becomes of its search. The call's outcome is recorded in every case. */
export type Closing =
  /** The answer is committed if the search still lacks one, even if it is dead or in another round by now: it is paid for. */
  | { readonly search: 'answered'; readonly body: string; readonly tracks: number }
  /** Dead, if it still has no verdict. `body` kept when given; `pause` row written in the same transaction. */
  | {
      readonly search: 'dead'
      readonly death: Death
      readonly body: string | null
      readonly pause: Pause | null
      readonly usesAttempt: boolean
    }
  /** Still queued; an attempt used. */
  | { readonly search: 'failed' }
  /** Still queued; no attempt used. `pause` row or fleet hold written in the same transaction. */
  | { readonly search: 'kept'; readonly pause: Pause | null; readonly holdUntil: number | null }

export interface CallLedger {
  /** Decides, and writes the call as sent and charged to the oldest batch that can pay. Grouped with others in one commit. */
  claim(ref: SearchRef, rules: ClaimRules): Promise<Claim>
  /**
   * Ends a call, once committed to disk (synchronous=FULL), grouped with others. Safe to repeat with the same
   * call. `wasFirst` is false when the search had its verdict already. `endedProbe`: this answer ended a probe.
   */
  close(
    callId: number,
    end: {
      readonly outcome: CallOutcome
      readonly detail: string | null
      readonly facts: ResponseFacts
      readonly closing: Closing
      readonly now: number
    },
  ): Promise<{ readonly wasFirst: boolean; readonly endedProbe: boolean }>
  /** Open calls older than that become `unknown` (they stay charged). Returns how many. */
  ageOut(sentBefore: number): Promise<number>
  /**
   * For the breaker: finished calls in a row, newest first, that ended refused (counted as distinct searches) or transient/unknown
   * (counted as calls); counting stops at an answer, and at the instant a `failing` or `outage` pause was last
   * lifted (the store remembers it in `pauses.lift`). Looks at the last 200 calls at most.
   */
  streak(): Promise<{ readonly refusedSearches: number; readonly transientCalls: number }>
}

// ── Pauses, hold, probe ────────────────────────────────────────────────────────────────────────

export interface PauseRecord {
  list(): Promise<readonly Pause[]>
  /** False when that cause stands already (its `since` and detail are kept). */
  add(pause: Pause): Promise<boolean>
  /** Lifts one cause; false when it did not stand. `probe`: the next calls go one at a time until one is answered. */
  lift(cause: PauseCause, probe: boolean): Promise<boolean>
  probing(): Promise<boolean>
  endProbe(): Promise<void>
  /** The fleet's hold as recorded (so that a Redis that lost everything gets it back); null: none, or over. */
  holdUntil(now: number): Promise<number | null>
  /** Extend-only, like the one in Redis. */
  hold(until: number): Promise<void>
}

// ── Account: what the API last said about itself ───────────────────────────────────────────────

export interface Account {
  readonly creditsRemaining: number | null
  readonly limitPerMinute: number | null
  readonly limitPerDay: number | null
  readonly remainingToday: number | null
  readonly tier: string | null
  readonly monthlyAllowance: number | null
  /** When any of these was last heard. */
  readonly heardAt: number | null
}

export interface AccountRecord {
  get(): Promise<Account>
  /** From GET /me: the balance is taken as it is. (Balances on answers are folded in by `calls.close`, lowest wins.) Absent fields are kept. */
  update(account: Partial<Omit<Account, 'heardAt'>>, now: number): Promise<void>
}

// ── Dead letters ───────────────────────────────────────────────────────────────────────────────

export interface DeadFilter {
  /** HTTP status. */
  readonly status?: number
  readonly batchId?: number
  readonly code?: string
  /** Fingerprint or a unique beginning of it (6 digits or more). */
  readonly search?: string
}

export interface ParkedLetter {
  readonly ref: SearchRef
  readonly letter: DeadLetter
}

export interface DeadLetterRecord {
  /** Not discarded, oldest death first. */
  list(filter: DeadFilter, page: { readonly limit: number; readonly offset: number }): Promise<readonly ParkedLetter[]>
  count(filter: DeadFilter): Promise<number>
  /** By ref, if it is dead in exactly this round and not discarded. */
  get(ref: SearchRef): Promise<ParkedLetter | null>
  /** Refs of all that should stand in the parking queue, a page by internal order. */
  refs(after: number, limit: number): Promise<{ readonly refs: readonly SearchRef[]; readonly next: number | null }>
  /** dead (that round) → waiting with a new round and fresh attempts. False: it is not dead in that round any more. */
  retry(ref: SearchRef): Promise<boolean>
  retryAll(filter: DeadFilter): Promise<number>
  /** Leaves the list; the items keep status `dead`. */
  discardAll(filter: DeadFilter): Promise<number>
  /** What died as unauthorized is due again, after `resume`. */
  retryUnauthorized(): Promise<number>
  /** queued (that round) → dead: BullMQ gave up on the job (stalled too often). False when it has a verdict already. */
  recordCrashed(ref: SearchRef, death: Death, now: number): Promise<boolean>
}

// ── Reports: heavy reads, for the command line and the board ───────────────────────────────────

export interface BatchReport {
  readonly batch: Batch
  readonly items: number
  readonly tagged: number
  readonly noMatch: number
  readonly waiting: number
  readonly withheld: number
  readonly dead: number
  readonly invalid: number
  readonly cancelled: number
}

export interface Totals {
  /** Searches that are due: wanted by a released batch with budget left, no verdict yet; in Redis or not. */
  readonly due: number
  readonly deadLetters: number
  /** Calls answered with 200 (answered and unreadable). */
  readonly spent: number
  readonly unknownOutcomes: number
  readonly callsByOutcome: Readonly<Record<CallOutcome, number>>
  readonly callsLastMinute: number
}

export interface CallReport {
  readonly callId: number
  readonly attempt: number
  readonly sentAt: number
  readonly finishedAt: number | null
  readonly outcome: CallOutcome
  readonly status: number | null
  readonly requestId: string | null
  readonly detail: string | null
  readonly creditsRemaining: number | null
}

export interface SearchReport {
  readonly ref: SearchRef
  readonly request: SearchRequest
  readonly state: SearchState
  readonly failures: number
  readonly death: Death | null
  readonly calls: readonly CallReport[]
  readonly answer: string | null
  readonly items: readonly {
    readonly batchId: number
    readonly batchName: string
    readonly position: number
    readonly key: string | null
  }[]
}

export interface ItemReport {
  readonly batch: Batch
  readonly position: number
  readonly key: string | null
  readonly row: string
  readonly problem: string | null
  readonly status: ItemStatus
  readonly search: SearchReport | null
}

/** One row of the export, in input order. */
export interface ExportRow {
  readonly position: number
  readonly key: string | null
  readonly row: string
  readonly status: ItemStatus
  /** The answer's body; null unless `tagged` or `no_match`. */
  readonly answer: string | null
  /** Why it is invalid or dead: one sentence. */
  readonly error: string | null
}

export interface Reports {
  /** Latest first. `all`: finished ones too; else the unfinished and the latest. */
  batches(which: { readonly batchId?: number; readonly limit: number }): Promise<readonly BatchReport[]>
  totals(now: number): Promise<Totals>
  /** Unknown outcomes by name, newest first. */
  unknownOutcomes(
    limit: number,
  ): Promise<readonly { readonly call: CallReport; readonly search: string; readonly query: string }[]>
  /** By the user's id, the position, or a fingerprint (or a unique beginning of it). Null: no such thing. */
  show(what: string, batchId: number | null): Promise<ItemReport | SearchReport | null>
  /** On a read-only connection of its own, a consistent snapshot; memory stays flat. */
  exportRows(batchId: number): AsyncIterable<ExportRow>
}

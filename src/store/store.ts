import type { ApiOnRecord } from '../domain/api-address.js'
import type { DeadLetter, Death } from '../domain/dead-letter.js'
import type { BalanceWatch, Pause, PauseCause } from '../domain/pause-cause.js'
import type { SearchRequest } from '../domain/request.js'
import type { SearchRef } from '../domain/search-id.js'
import type { Priority } from '../domain/states.js'
import type { BatchStore } from './batch.js'
import type { CallLedger } from './call-ledger.js'
import type { StoreHealth } from './health.js'
import type { NotificationRecord } from './notifications.js'
import type { Reports } from './report.js'

export type { Batch, BatchStore, CountedBatch, NewBatch, Plan } from './batch.js'
export type { CallLedger, Claim, ClaimRules, Closing } from './call-ledger.js'
export type {
  BatchReport,
  CallReport,
  ExportRow,
  RefusedSearch,
  Reports,
  RowReport,
  SearchReport,
  Totals,
} from './report.js'

/**
 * The record: what is true. Redis only holds a window of it. Every method is one transaction (`drop` is
 * several; `BEGIN IMMEDIATE`, nothing awaited inside) and every transition is guarded: it names the state and
 * round that it leaves and says whether it happened. All instants are epoch milliseconds.
 *
 * Errors: `UnreachableError` when the file is locked for too long or the disk is full; the caller
 * decides whether to wait. Anything else that is thrown is a bug.
 */
export interface Store extends StoreHealth {
  /** Random, made with the file: how a Redis knows whose window it holds. */
  readonly id: string
  /** Where the file is and when it was made, for people. */
  readonly path: string
  readonly createdAt: string
  readonly batches: BatchStore
  readonly feed: FeedStore
  readonly calls: CallLedger
  readonly pauses: PauseStore
  readonly account: AccountStore
  readonly api: ApiStore
  readonly deadLetters: DeadLetterStore
  readonly notifications: NotificationRecord
  readonly reports: Reports
  close(): Promise<void>
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

export interface FeedStore {
  /** Searches in state `queued`, by the priority they were queued with. */
  queued(): Promise<Readonly<Record<Priority, number>>>
  /**
   * Waiting searches that a released batch with budget left wants, best priority first, then oldest batch, then
   * the order in which they were first asked; never more for a capped batch than its budget has left (counting
   * what is queued for it). Before those of each batch come the ones that it wants and that are queued for less: they are
   * to be moved forward. `room` is how many more may be queued per priority: what is urgent takes room from what is less.
   */
  due(limit: number, room: Readonly<Record<Priority, number>>): Promise<readonly DueSearch[]>
  /**
   * waiting, or queued for less → queued, after the jobs were added to Redis or moved forward there. A crash between: the
   * same ids are added again and swallowed.
   */
  markQueued(refs: readonly { readonly ref: SearchRef; readonly priority: Priority }[], now: number): Promise<number>
  /** Queued before this instant, a page by internal order; `after` is the cursor of the previous page. */
  queuedRefs(
    before: number,
    after: number,
    limit: number,
  ): Promise<{ readonly refs: readonly SearchRef[]; readonly next: number | null }>
  /**
   * Queued ones that no batch can pay (any more): cancelled, or their cap is used up. A page by internal order. Once
   * nothing was found twice, none until another batch cannot pay or one of these can, or is charged.
   */
  unwantedRefs(
    after: number,
    limit: number,
  ): Promise<{ readonly refs: readonly SearchRef[]; readonly next: number | null }>
  /** Those whose jobs would make no call: they have their verdict, live in another round, or are none of ours. */
  settledAmong(refs: readonly SearchRef[]): Promise<readonly SearchRef[]>
  /** queued (that round) → waiting with a new round: the job is gone from Redis. Returns how many. */
  requeue(refs: readonly SearchRef[]): Promise<number>
  /** Every queued one → waiting with a new round: Redis lost everything. */
  requeueAll(): Promise<number>
}

// ── Pauses, hold, probe ────────────────────────────────────────────────────────────────────────

export interface PauseStore {
  list(): Promise<readonly Pause[]>
  /** False when that cause stands already (its `since` and detail are kept). */
  add(pause: Pause): Promise<boolean>
  /** Lifts one cause; false when it did not stand. `probe`: the next calls go one at a time until one is answered. */
  lift(cause: PauseCause, probe: boolean): Promise<boolean>
  watch(): Promise<BalanceWatch>
  /** Null keeps what was noted before. */
  noteWatch(watch: BalanceWatch): Promise<void>
  probing(): Promise<boolean>
  endProbe(): Promise<void>
  /** The fleet's hold as recorded (so that a Redis that lost everything gets it back); null: none, or over. */
  rateLimitedUntil(now: number): Promise<number | null>
  /** What the API said with it; null: nothing, or nobody is held. */
  holdDetail(now: number): Promise<string | null>
  /** Extend-only, like the one in Redis. */
  rateLimit(until: number, now: number): Promise<void>
  /** A person ends the hold; false when nobody was held. The next calls go one at a time until one is answered. */
  liftRateLimit(now: number): Promise<boolean>
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

export interface AccountStore {
  get(): Promise<Account>
  /** From GET /me: the balance is taken as it is. (Balances on answers are folded in by `calls.close`: the lowest wins, what no overlap explains is a top-up.) Absent fields are kept. */
  update(account: Partial<Omit<Account, 'heardAt'>>, now: number): Promise<void>
}

// ── Which API the answers come from ────────────────────────────────────────────────────────────

export interface KnownApi extends ApiOnRecord {
  readonly answers: number
  /** No call has brought a verdict, or may yet: nothing ties the record to this address. */
  readonly isUnused: boolean
}

export interface ApiStore {
  /** Null: no worker has started yet. */
  get(): Promise<KnownApi | null>
  /**
   * Writes the address down where none is, or where it may follow: the one on record is unused, or is the same API
   * (`isSameApi`). Else changes nothing and says which API stands there.
   */
  take(address: string): Promise<KnownApi | null>
  /** A person says that this is the API. */
  adopt(address: string): Promise<void>
}

// ── Dead letters ───────────────────────────────────────────────────────────────────────────────

export interface DeadFilter {
  /** HTTP status. */
  readonly status?: number
  readonly batchId?: number
  readonly code?: string
  /** Fingerprint or a unique beginning of it (6 digits or more). */
  readonly search?: string
  /** True: only what was discarded. False: only what was not. Left out: false, or both where `search` names one. */
  readonly discarded?: boolean
}

/** What became of dead letters that were sent back. */
export interface Retried {
  readonly retried: number
  /** Of these, how many some batch can pay: they are called. */
  readonly due: number
  /** Not due, but wanted by a batch that a cap holds back. No released batch wants the rest. */
  readonly withheld: number
}

export interface ParkedLetter {
  readonly ref: SearchRef
  readonly letter: DeadLetter
}

/** The last letter of a page: where the next one begins, whatever left the list meanwhile. */
export interface LetterCursor {
  readonly diedAt: number
  readonly id: number
}

export interface DeadLetterStore {
  /** Oldest death first, a page at a time; `after` is `next` of the previous page, or null. */
  list(
    filter: DeadFilter,
    after: LetterCursor | null,
    limit: number,
  ): Promise<{ readonly letters: readonly ParkedLetter[]; readonly next: LetterCursor | null }>
  count(filter: DeadFilter): Promise<number>
  /** How many of these may be paid for already: see `DeadLetter.costs`. */
  countMaybePaid(filter: DeadFilter): Promise<number>
  /** By ref, if it is dead in exactly this round and not discarded. */
  get(ref: SearchRef): Promise<ParkedLetter | null>
  /** Refs of all that should stand in the parking queue, a page by internal order. */
  refs(after: number, limit: number): Promise<{ readonly refs: readonly SearchRef[]; readonly next: number | null }>
  /** dead (that round, not discarded) → waiting with a new round and fresh attempts. False: it is not that any more. */
  retry(ref: SearchRef): Promise<boolean>
  retryAll(filter: DeadFilter): Promise<Retried>
  /** Leaves the list; the items keep status `dead`. What has left it already is not counted. */
  discardAll(filter: DeadFilter): Promise<number>
  /** What died as unauthorized is due again, after `resume`. */
  retryUnauthorized(): Promise<number>
  /** queued (that round) → dead: BullMQ gave up on the job (stalled too often). False when it has a verdict already. */
  recordCrashed(ref: SearchRef, death: Death, now: number): Promise<boolean>
}

import type { HoursInForce } from '../domain/active-hours.js'
import type { ApiOnRecord } from '../domain/api-address.js'
import type { DeadLetter, Death } from '../domain/dead-letter.js'
import type { BalanceWatch, Pause, PauseCause } from '../domain/pause.js'
import type { SearchRequest } from '../domain/request.js'
import type { SearchRef } from '../domain/search-id.js'
import type { Priority } from '../domain/states.js'
import type { ActivityStore } from './activity.js'
import type { BatchStore } from './batch.js'
import type { CallLedger } from './call-ledger.js'
import type { DeadFilter, RowName } from './findings.js'
import type { StoreHealth } from './health.js'
import type { NotificationRecord } from './notifications.js'
import type { Reports } from './report.js'
import type { ScheduleStore } from './schedules.js'
import type { TimelineStore } from './timeline.js'

export type { Batch, BatchStore, CountedBatch, NewBatch, Plan, RowChanges } from './batch.js'
export type { CallEnd, CallLedger, Claim, ClaimRules } from './call-ledger.js'
export type { DeadFilter } from './findings.js'
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
 * The store: the source of truth. Redis only holds a window of it. Every method is one transaction
 * (`drop` is several; `BEGIN IMMEDIATE`, without an `await` inside). Every transition is guarded:
 * it names the state and the round that it leaves, and returns whether it happened. All instants
 * are epoch milliseconds.
 *
 * Errors: `UnreachableError` when the file is locked for too long or the disk is full; the caller
 * decides whether to wait. Any other error is a bug.
 */
export interface Store extends StoreHealth {
  /** A random id, created with the file. It tells which store a Redis belongs to. */
  readonly id: string
  /** For messages: the path of the file, or the address of the database without its password. */
  readonly name: string
  /** Where this process puts files that belong to the store: beside it. */
  readonly path: string
  readonly createdAt: string
  readonly batches: BatchStore
  readonly schedules: ScheduleStore
  readonly feed: FeedStore
  readonly calls: CallLedger
  readonly pauses: PauseStore
  readonly account: AccountStore
  readonly api: ApiStore
  readonly deadLetters: DeadLetterStore
  readonly notifications: NotificationRecord
  readonly reports: Reports
  readonly activity: ActivityStore
  readonly timeline: TimelineStore
  close(): Promise<void>
}

// ── Feed: what is due, and what Redis is believed to hold ──────────────────────────────────────

export interface DueSearch {
  readonly ref: SearchRef
  readonly request: SearchRequest
  readonly priority: Priority
  /** Display only: shown with the job. */
  readonly batchName: string
  readonly itemKey: string | null
}

export interface FeedStore {
  /** Searches in state `queued`, by the priority they were queued with. */
  queued(): Promise<Readonly<Record<Priority, number>>>
  /**
   * Waiting searches that a released batch with budget left wants: best priority first, then oldest
   * batch, then the order in which they were first requested. A capped batch never gets more than
   * its remaining budget, counting what is already queued for it. Before those of each batch come
   * searches that it wants and that are queued with a lower priority: they are to be promoted.
   * `room` is how many more may be queued per priority. Urgent searches use the room of less urgent
   * ones.
   */
  due(limit: number, room: Readonly<Record<Priority, number>>): Promise<readonly DueSearch[]>
  /**
   * waiting, or queued with a lower priority → queued, after the jobs were added to Redis or
   * promoted there. After a crash in between the same ids are added again, and BullMQ ignores them.
   */
  markQueued(refs: readonly { readonly ref: SearchRef; readonly priority: Priority }[], now: number): Promise<number>
  /**
   * Queued before this instant, a page by internal order. `after` is the cursor of the previous
   * page.
   */
  queuedRefs(
    before: number,
    after: number,
    limit: number,
  ): Promise<{ readonly refs: readonly SearchRef[]; readonly next: number | null }>
  /**
   * Queued searches that no batch can pay for (any more): cancelled, or their cap is used up. A
   * page by internal order. After two empty scans it returns none, until the batches that cannot
   * pay change.
   */
  unwantedRefs(
    after: number,
    limit: number,
  ): Promise<{ readonly refs: readonly SearchRef[]; readonly next: number | null }>
  /**
   * Those whose jobs would make no call: they have an outcome, are in another round, or are
   * unknown.
   */
  settledAmong(refs: readonly SearchRef[]): Promise<readonly SearchRef[]>
  /**
   * queued (that round) → waiting with a new round: the job is gone from Redis. Returns how many.
   */
  requeue(refs: readonly SearchRef[]): Promise<number>
  /** All queued → waiting with a new round: Redis lost its data. */
  requeueAll(): Promise<number>
}

// ── Pauses, hold, probe ────────────────────────────────────────────────────────────────────────

export interface PauseStore {
  list(): Promise<readonly Pause[]>
  /** False when that cause is already present (its `since` and detail are kept). */
  add(pause: Pause): Promise<boolean>
  /**
   * Lifts one cause. False when it was not present. `probe`: the next calls go one at a time until
   * one is answered.
   */
  lift(cause: PauseCause, probe: boolean, now?: number): Promise<boolean>
  /** When the outage began that is paused for, or probed. Null: none. */
  outageFrom(): Promise<number | null>
  watch(): Promise<BalanceWatch>
  /** Null keeps the previous value. */
  noteWatch(watch: BalanceWatch): Promise<void>
  probing(): Promise<boolean>
  endProbe(): Promise<void>
  /**
   * The end of the rate limit, so that it can be restored in a Redis that lost its data. Null:
   * none, or over.
   */
  rateLimitedUntil(now: number): Promise<number | null>
  /** The API's message with it. Null: none, or not rate limited. */
  holdDetail(now: number): Promise<string | null>
  /** Only ever extends it, as in Redis. */
  rateLimit(until: number, now: number): Promise<void>
  /**
   * Ends the rate limit by hand. False when there was none. The next calls go one at a time until
   * one is answered.
   */
  liftRateLimit(now: number): Promise<boolean>
  /** The active hours as the workers keep them. Null: calls may start at any time. */
  activeHours(): Promise<HoursInForce | null>
  setActiveHours(inForce: HoursInForce | null): Promise<void>
  /** `resume --now` lets calls start until then. Null: it does not. */
  hoursOverriddenUntil(now: number): Promise<number | null>
  /** Lets calls start until the next end of the active hours, and returns it. Null: it is not outside them. */
  overrideHours(now: number): Promise<number | null>
}

// ── Account: what the API last said about itself ───────────────────────────────────────────────

export interface Account {
  readonly creditsRemaining: number | null
  readonly limitPerMinute: number | null
  readonly limitPerDay: number | null
  readonly remainingToday: number | null
  readonly tier: string | null
  readonly monthlyAllowance: number | null
  /** When any of these was last reported. */
  readonly heardAt: number | null
}

export interface AccountStore {
  get(): Promise<Account>
  /**
   * From GET /me: the balance is taken as it is. Absent fields keep their value. (`calls.close`
   * folds in the balances of answers: the lowest wins, and a rise that overlapping calls cannot
   * explain is a top-up.)
   */
  update(account: Partial<Omit<Account, 'heardAt'>>, now: number): Promise<void>
}

// ── Which API the answers come from ────────────────────────────────────────────────────────────

export interface KnownApi extends ApiOnRecord {
  readonly answers: number
  /**
   * No call has brought an outcome, or may still bring one: the store is not tied to this address.
   */
  readonly isUnused: boolean
}

export interface ApiStore {
  /** Null: no worker has started yet. */
  get(): Promise<KnownApi | null>
  /**
   * Stores the address if there is none, or if it may change: the stored one is unused, or is the
   * same API (`isSameApi`). Otherwise changes nothing and returns the stored one.
   */
  take(address: string): Promise<KnownApi | null>
  /** A person confirms that this is the API. */
  adopt(address: string): Promise<void>
}

// ── Dead letters ───────────────────────────────────────────────────────────────────────────────

/** The result of a retry of dead letters. */
export interface Retried {
  readonly retried: number
  /** How many of these a batch can pay for: they will be called. */
  readonly due: number
  /** Not due, but wanted by a batch whose cap is used up. No released batch wants the rest. */
  readonly withheld: number
}

export interface ParkedLetter {
  readonly ref: SearchRef
  readonly letter: DeadLetter
  /** The first few rows with this search, those of the latest batch first. */
  readonly rows: readonly RowName[]
}

/**
 * The last dead letter of a page. The next page starts after it, even if some left the list
 * meanwhile.
 */
export interface LetterCursor {
  readonly diedAt: number
  readonly id: number
}

export interface DeadLetterStore {
  /** Oldest death first, a page at a time. `after` is `next` of the previous page, or null. */
  list(
    filter: DeadFilter,
    after: LetterCursor | null,
    limit: number,
  ): Promise<{ readonly letters: readonly ParkedLetter[]; readonly next: LetterCursor | null }>
  count(filter: DeadFilter): Promise<number>
  /** How many of these may already be paid for: see `DeadLetter.costs`. */
  countMaybePaid(filter: DeadFilter): Promise<number>
  /** By ref, if it is dead in exactly this round and not discarded. */
  get(ref: SearchRef): Promise<ParkedLetter | null>
  /** Refs of all that belong in the dead letter queue, a page by internal order. */
  refs(after: number, limit: number): Promise<{ readonly refs: readonly SearchRef[]; readonly next: number | null }>
  /**
   * dead (that round, not discarded) → waiting with a new round and fresh attempts. False: it is in
   * another state.
   */
  retry(ref: SearchRef): Promise<boolean>
  retryAll(filter: DeadFilter): Promise<Retried>
  /**
   * Removes them from the list; their rows keep the status `dead`. Does not count those already
   * discarded.
   */
  discardAll(filter: DeadFilter): Promise<number>
  /** After `resume`: dead letters with the reason unauthorized are due again. */
  retryUnauthorized(): Promise<number>
  /**
   * queued (that round) → dead: BullMQ gave up on the job (it stalled too often). False when it
   * already has an outcome.
   */
  recordCrashed(ref: SearchRef, death: Death, now: number): Promise<boolean>
}

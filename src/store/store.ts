import type { AccountStore } from './account.js'
import type { ActivityStore } from './activity.js'
import type { ApiStore } from './api-record.js'
import type { BatchStore } from './batches.js'
import type { CallLedger } from './calls.js'
import type { DeadLetterStore } from './dead-letters.js'
import type { StoreHealth } from './engine.js'
import type { FeedStore } from './feed.js'
import type { NotificationStore } from './notifications.js'
import type { PauseStore } from './pauses.js'
import type { QueueUseStore } from './queue-use.js'
import type { Reports } from './reports.js'
import type { ScheduleStore } from './schedules.js'
import type { TimelineStore } from './timeline.js'

export type { Account, AccountStore } from './account.js'
export type { ApiStore, KnownApi } from './api-record.js'
export type { BatchReport } from './batch-report.js'
export type { Batch, Caps } from './batch-row.js'
export type { BatchStore, Milestone, NewBatch } from './batches.js'
export type { CallLedger } from './calls.js'
export type { Claim, ClaimRules, GrantedClaim } from './claim.js'
export type { CallEnd } from './close-call.js'
export type { DeadFilter } from './dead-filter.js'
export type { DeadLetterCursor, DeadLetterEntry, DeadLetterStore, Retried, RetryPrice } from './dead-letters.js'
export type { ExportRow } from './export-rows.js'
export type { DueSearch, FeedStore } from './feed.js'
export type { Lifted, PauseStore } from './pauses.js'
export type { Plan } from './plan.js'
export type { RefusedSearch } from './refusals.js'
export type { Reports, UnknownSearches, WhichBatches } from './reports.js'
export type { CallReport, RowReport, SearchReport } from './row-report.js'

/**
 * The store: the source of truth. Redis only holds a window of it. A method is one transaction, but
 * `batches.drop` and `dropAbandoned`, `notifications.next` and a long export are several. Every
 * transition is guarded: it names the state and the round that it leaves, and returns whether it
 * happened. All instants are epoch milliseconds.
 *
 * Errors: `UnreachableError` when the store is locked for too long, full or out of reach; the caller
 * decides whether to wait. `UsageError` and `RefusedError` for a request that a person must change.
 * Any other error is a bug.
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
  readonly notifications: NotificationStore
  readonly reports: Reports
  readonly activity: ActivityStore
  readonly timeline: TimelineStore
  readonly queueUse: QueueUseStore
  /** @throws ConfigurationError when it was copied elsewhere since it was opened: changes are refused from then on */
  refuseIfMoved(): Promise<void>
  /** Changes nothing, but fails where a worker's changes would: locked, read-only, too few rights. */
  requireWritable(): Promise<void>
  close(): Promise<void>
}

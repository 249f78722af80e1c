import type { Generated } from 'kysely'
import type { DeathReason } from '../domain/dead-letter.js'
import type { CallOutcome } from '../domain/outcome.js'
import type { PauseCause } from '../domain/pause.js'
import type { BatchState, Priority, SearchState } from '../domain/states.js'

/**
 * The tables as TypeScript types; `migrations.ts` creates them. Keys are integers, answers have
 * their own table, and counters are stored beside what they count. So `status` reads rows, not
 * tables: with a million rows it takes milliseconds. Instants are epoch milliseconds.
 */
export interface Schema {
  meta: MetaTable
  account: AccountTable
  pause: PauseTable
  batch: BatchTable
  item: ItemTable
  search: SearchTable
  want: WantTable
  answer: AnswerTable
  call: CallTable
  call_count: CallCountTable
  notification: NotificationTable
}

/** `store_id`, `schema_version`, `probing`, `hold_until`, `hold_from`, `balance_asked_at`, `balance_next_at`, `hold_detail`, `streak_from`, `api_address`, `api_adopted`. */
export interface MetaTable {
  key: string
  value: string
}

/** One row: what the API last reported about the account. */
export interface AccountTable {
  id: 1
  credits_remaining: number | null
  limit_per_minute: number | null
  limit_per_day: number | null
  remaining_today: number | null
  tier: string | null
  monthly_allowance: number | null
  heard_at: number | null
}

export interface PauseTable {
  cause: PauseCause
  since: number
  detail: string
}

export interface BatchTable {
  id: Generated<number>
  name: string
  state: BatchState
  priority: Priority
  catalog_path: string | null
  format: 'csv' | 'jsonl'
  delimiter: string | null
  /** 1 when the catalog began with a byte order mark. */
  byte_order_mark: Generated<number>
  /** `none`: a quotation mark in a cell is an ordinary character. */
  quoting: Generated<'csv' | 'none'>
  /** The lines before the header, each with a trailing LF. */
  preamble: Generated<string>
  /** JSON array. */
  columns: string
  template: string | null
  max_age_ms: number | null
  max_credits: number | null
  first: number | null
  created_at: number
  /** The latest heartbeat of its loader. */
  heard_at: number
  completed_at: number | null
  announced_at: number | null
  /**
   * When the budget of its last release was found used up. Null since a release that added budget.
   */
  through_at: number | null
  /** Null: a notification of the last release is due. */
  release_notified_at: number | null
  dead_letters_notified_at: number | null
  /** 1 while it is being removed, a piece at a time. */
  dropping: Generated<number>
  /** Low-water mark: no search below this id is waiting for this batch, so the feeder starts here. */
  fed_to: Generated<number>
  /** 1 once nothing that it wants is queued with a lower priority. Each release resets it. */
  raised: Generated<number>
  /** Calls charged to it. */
  charged: Generated<number>
  /** Searches that it wants and that have no outcome. The other counters count rows. */
  pending: Generated<number>
  items: Generated<number>
  invalid: Generated<number>
  tagged: Generated<number>
  no_match: Generated<number>
  dead: Generated<number>
}

export interface ItemTable {
  batch_id: number
  position: number
  /** The line of the catalog where it begins. Null: it was loaded before this column existed. */
  line: number | null
  key: string | null
  row: string
  search_id: number | null
  problem: string | null
}

export interface SearchTable {
  id: Generated<number>
  /** 16 bytes. */
  fingerprint: Buffer
  generation: number
  /** JSON of the canonical request. */
  request: string
  state: SearchState
  round: Generated<number>
  /** Attempts used since the last retry. */
  failures: Generated<number>
  /** Rate-limited calls since the last retry. */
  rate_limits: Generated<number>
  /** Calls answered 402 since the last retry while GET /me showed credits. */
  refusals: Generated<number>
  /** The id of the first call of these two kinds. */
  refused_from: number | null
  queued_priority: Priority | null
  queued_at: number | null
  answered_at: number | null
  /** Tracks in the answer. */
  tracks: number | null
  /** No longer written, but a worker of an earlier version still writes it. */
  verdict_call: number | null
  died_at: number | null
  death_reason: DeathReason | null
  death_status: number | null
  death_error: string | null
  death_code: string | null
  death_message: string | null
  death_request_id: string | null
  death_remedy: string | null
  discarded: Generated<number>
}

/** A batch wants a search: one row, however many rows of the catalog share it. */
export interface WantTable {
  batch_id: number
  search_id: number
  items: number
  first_position: number
}

export interface AnswerTable {
  search_id: number
  body: string
}

export interface CallTable {
  id: Generated<number>
  search_id: number
  round: number
  attempt: number
  /** The batch that is charged, or would have been. */
  batch_id: number
  sent_at: number
  /** Null while open, and for a call whose end is not known (`unknown`). */
  finished_at: number | null
  outcome: CallOutcome
  status: number | null
  request_id: string | null
  detail: string | null
  credits_remaining: number | null
  /** The body of an unreadable answer, which may be paid for. */
  unreadable: string | null
}

export interface CallCountTable {
  outcome: CallOutcome
  calls: number
}

/** Notifications that the webhook has not delivered yet. */
export interface NotificationTable {
  id: Generated<number>
  text: string
  created_at: number
  /** The rest of the notification, as JSON. */
  details: string | null
}

import type { Generated } from 'kysely'
import type { DeathReason } from '../domain/dead-letter.js'
import type { CallOutcome } from '../domain/outcome.js'
import type { PauseCause } from '../domain/pause-cause.js'
import type { BatchState, Priority, SearchState } from '../domain/states.js'

/**
 * The tables as TypeScript sees them; `migrations.ts` makes them. Integer keys everywhere, answers in a
 * table of their own, and counters beside what they count, so that `status` reads rows, not tables:
 * a million-item status takes milliseconds. Instants are epoch milliseconds.
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

/** One row: what the API last said about itself. */
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
  /** 1 where the catalog began with one. */
  byte_order_mark: Generated<number>
  /** `none`: in its cells a quotation mark is a character like any other. */
  quoting: Generated<'csv' | 'none'>
  /** The lines before the header, each with LF at its end. */
  preamble: Generated<string>
  /** JSON array. */
  columns: string
  template: string | null
  max_age_ms: number | null
  max_credits: number | null
  first: number | null
  created_at: number
  /** When its loader was last heard of. */
  heard_at: number
  completed_at: number | null
  announced_at: number | null
  /** When what its cap let go was found to be through; null since a release that let more go. */
  through_at: number | null
  /** 1 while it is being removed, a piece at a time. */
  dropping: Generated<number>
  /** Low-water mark: no search below this id is waiting for this batch, so the feeder starts here. */
  fed_to: Generated<number>
  /** 1 once nothing that it wants is queued for less than its priority; each release asks anew. */
  raised: Generated<number>
  /** Calls charged to it. */
  charged: Generated<number>
  /** Searches that it wants and that have no verdict. The other counters count items. */
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
  /** Where it begins in the catalog; null where it was loaded before this was kept. */
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
  /** Attempts used in this life. */
  failures: Generated<number>
  /** Calls that were rate limited in this life. */
  rate_limits: Generated<number>
  /** Calls answered 402 in this life while GET /me showed credits. */
  refusals: Generated<number>
  /** The first of these two kinds: a call's id. */
  refused_from: number | null
  queued_priority: Priority | null
  queued_at: number | null
  answered_at: number | null
  /** Tracks in the answer. */
  tracks: number | null
  /** Not written any more: a worker of an earlier version still does. */
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

/** That a batch wants a search: one row however many of its items share it. */
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
  /** The batch that pays, or would have. */
  batch_id: number
  sent_at: number
  /** Null while open, and for a call whose end was never heard (`unknown`). */
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

/** What the webhook is still to be told. */
export interface NotificationTable {
  id: Generated<number>
  text: string
  created_at: number
}

import type { LoadedRow } from '../domain/loaded-row.js'
import type { SearchRequest } from '../domain/request.js'
import type { BatchState, Priority } from '../domain/states.js'

/** The store's contract for batches: what is submitted, what it will cost, and how it is let go or ended. */
export interface NewBatch {
  readonly name: string
  /** The path it was read from, or null (stdin, a script). */
  readonly catalogPath: string | null
  readonly format: 'csv' | 'jsonl'
  /** Between cells, for CSV. */
  readonly delimiter: string | null
  /** The catalog began with the UTF-8 byte order mark. */
  readonly byteOrderMark: boolean
  /** `none`: a TSV in which a quotation mark is a character; default: `csv`. */
  readonly quoting?: 'csv' | 'none'
  /** The lines before the header, which an export begins with; default: none. */
  readonly preamble?: string
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
  /** Of the dead ones, how many are off the list of dead letters. */
  readonly discarded: number
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
  readonly byteOrderMark: boolean
  readonly quoting: 'csv' | 'none'
  readonly preamble: string
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

/** A batch and its own counters. What of the unfinished is waiting and what withheld only a report tells apart. */
export interface CountedBatch {
  readonly batch: Batch
  readonly items: number
  readonly tagged: number
  readonly noMatch: number
  readonly dead: number
  readonly invalid: number
  /** Items without a verdict. */
  readonly unfinished: number
}

export interface BatchStore {
  create(batch: NewBatch): Promise<number>
  /** Adds a chunk to a loading batch. A key that an earlier valid row has becomes an invalid item ("line 3: repeated id …"). */
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
  /** released → cancelled; false for any other, and for one that is done without dead letters, which a retry would make due again. Searches nobody else wants are not called any more; those in flight finish. */
  cancel(batchId: number, now: number): Promise<boolean>
  /** Removes a loading batch with its items and the searches only it wanted. */
  drop(batchId: number): Promise<void>
  /** Drops loading batches whose loader has not been heard of since then. Returns how many. */
  dropAbandoned(heardBefore: number): Promise<number>
  /** By id ("12") or name (the latest of that name); null argument: the latest. An id wins over a name that looks like one. */
  find(idOrName: string | null): Promise<Batch | null>
  /**
   * Batches whose last verdict has come and whose completion has not been announced yet; marks them announced.
   * @param keep what the webhook is to be told of each, kept in the same transaction
   */
  takeCompleted(now: number, keep?: (batch: CountedBatch) => string): Promise<readonly CountedBatch[]>
  /**
   * Capped batches that have used what their last release let go, with no call of theirs in flight, while more is wanted;
   * marks them, so that each is given once per release. A release that lets nothing go gives none.
   */
  takeThrough(now: number, keep?: (batch: CountedBatch) => string): Promise<readonly CountedBatch[]>
  /**
   * By the counters alone: how many searches are due at the most, and for how many batches. One that several batches want is
   * counted for each of them.
   */
  dueAtMost(): Promise<{ readonly searches: number; readonly batches: number }>
}

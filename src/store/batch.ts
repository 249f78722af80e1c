import type { Notification } from '../domain/notification.js'
import type { LoadedRow, SearchRequest } from '../domain/request.js'
import type { BatchState, Priority } from '../domain/states.js'

/** The store's contract for batches: submit, plan, release, cancel. */
export interface NewBatch {
  readonly name: string
  /** The path it was read from, or null (stdin, a script). */
  readonly catalogPath: string | null
  readonly format: 'csv' | 'jsonl'
  /** The separator between cells, for CSV. */
  readonly delimiter: string | null
  /** The catalog began with the UTF-8 byte order mark. */
  readonly byteOrderMark: boolean
  /** `none`: a TSV in which a quotation mark is an ordinary character. Default: `csv`. */
  readonly quoting?: 'csv' | 'none'
  /** The lines before the header, repeated at the start of an export. Default: none. */
  readonly preamble?: string
  /** The input's columns in order; empty for JSONL. */
  readonly columns: readonly string[]
  readonly template: string | null
  readonly priority: Priority
  /**
   * A search whose answer is older than this is made again (a new generation). Null: answers never
   * expire.
   */
  readonly maxAgeMs: number | null
  readonly createdAt: number
}

export interface Plan {
  readonly rows: number
  readonly accepted: number
  readonly invalid: number
  /** The first few reasons, with line numbers. */
  readonly invalidReasons: readonly string[]
  /** Unique searches; the next four add up to it. */
  readonly searches: number
  readonly new: number
  readonly alreadyQueued: number
  readonly alreadyAnswered: number
  readonly alreadyDead: number
  /** How many of the dead ones were discarded from the dead letters. */
  readonly discarded: number
  /** The new searches: those without an outcome that no other released batch is due to pay for. */
  readonly creditsNeeded: number
  /** Searches due for other released batches, which run before or beside this one. */
  readonly dueElsewhere: number
  /** The first five rendered requests, in input order. */
  readonly examples: readonly SearchRequest[]
}

/** Rows of a batch that continues another one. */
export interface RowChanges {
  readonly new: number
  /** They ask for another search than before. */
  readonly changed: number
  /** Of the earlier batch. */
  readonly gone: number
  readonly unchanged: number
  /** Whether both batches have ids, by which their rows are the same. */
  readonly byId: boolean
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
  readonly template: string | null
  /** `--max-credits`: the maximum number of calls charged to it. Null: no cap. */
  readonly maxCredits: number | null
  /** `--first`: the maximum number of calls before the next `release`. Null: no such limit. */
  readonly first: number | null
  /** Calls charged to it: paid, possibly paid, and in flight. */
  readonly charged: number
  readonly createdAt: number
  /** When the last search that it wants got its outcome, or when it was cancelled. Null before. */
  readonly completedAt: number | null
}

/** A batch and its counters. Only a report tells waiting rows from withheld ones. */
export interface CountedBatch {
  readonly batch: Batch
  readonly items: number
  readonly tagged: number
  readonly noMatch: number
  readonly dead: number
  readonly invalid: number
  /** Rows without an outcome. */
  readonly unfinished: number
}

export interface Caps {
  /** The most calls that may be charged to the batch; null: no cap. */
  readonly maxCredits: number | null
  /** The most calls before `release`; null: no such limit. */
  readonly first: number | null
}

export interface Milestone {
  readonly kind: 'released' | 'budget_used' | 'many_dead' | 'done'
  readonly batch: CountedBatch
}

export interface Caps {
  readonly maxCredits: number | null
  readonly first: number | null
}

/** `deadPercent`: see `takeMilestones`. */
export interface MilestoneRules {
  readonly now: number
  readonly deadPercent: number
}

export interface BatchStore {
  create(batch: NewBatch): Promise<number>
  /**
   * Adds a chunk to a loading batch. A row that repeats the id of an earlier valid row becomes
   * invalid ("line 3: repeated id …").
   */
  addRows(batchId: number, rows: readonly LoadedRow[], now: number): Promise<void>
  /** Reports that the loader is alive; see `dropAbandoned`. */
  heartbeat(batchId: number, now: number): Promise<void>
  /** @param replaces see `release` */
  plan(batchId: number, now: number, replaces?: number): Promise<Plan>
  /** How the rows of `batchId` differ from those of an earlier batch. */
  compare(earlierId: number, batchId: number): Promise<RowChanges>
  /**
   * loading → released, or changes the caps of a released batch: withheld searches become due.
   * False when the batch is in another state.
   * @param replaces a batch that this one continues: unless it is done, it is cancelled in the same transaction, so
   * that a crash leaves either both as they were or one of them to pay
   */
  release(batchId: number, caps: Caps, now: number, replaces?: number): Promise<boolean>
  /**
   * released → cancelled. False in any other state, and for a finished batch without dead letters.
   * (A retry of a dead letter would make a batch due again.) Searches that no other batch wants are
   * not called any more; calls in flight finish.
   */
  cancel(batchId: number, now: number): Promise<boolean>
  /** Removes a loading batch, its rows, and the searches that only it wanted. */
  drop(batchId: number): Promise<void>
  /** Drops loading batches that are not scheduled and whose loader has sent no heartbeat since then. Returns how many. */
  dropAbandoned(heardBefore: number): Promise<number>
  /**
   * By id ("12") or name (the latest of that name). Null: the latest. An id wins over a name that
   * looks like one.
   */
  find(idOrName: string | null): Promise<Batch | null>
  /** The ids of all batches with this name, the latest first. */
  idsOf(name: string): Promise<readonly number[]>
  /**
   * What happened to batches since the last call; each milestone is returned once. A batch whose budget is used up
   * has no call in flight and still wants more; a release that adds no budget is no new one. Many dead: at least 10
   * rows of an unfinished batch, and at least `deadPercent` of its finished rows.
   * @param keep makes the notification for each, stored in the transaction that marks the batch
   */
  takeMilestones(rules: MilestoneRules, keep?: (milestone: Milestone) => Notification): Promise<readonly Milestone[]>
  /**
   * An upper bound from the counters alone: how many searches are due, and for how many batches. A
   * search that several batches want is counted for each of them.
   */
  dueAtMost(): Promise<{ readonly searches: number; readonly batches: number }>
}

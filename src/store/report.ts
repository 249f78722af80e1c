import type { Death } from '../domain/dead-letter.js'
import type { CallOutcome } from '../domain/outcome.js'
import type { SearchRequest } from '../domain/request.js'
import type { SearchRef } from '../domain/search-id.js'
import type { RowStatus, SearchState } from '../domain/states.js'
import type { Batch } from './batch.js'
import type { BatchOutcome, DeadFilter, DeadLetterGroup, FoundSearch, InvalidGroup } from './findings.js'

/** The store's contract for reports: expensive reads, for the command line and the board. */
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
  /**
   * Searches that are due: wanted by a released batch with budget left, without an outcome, in
   * Redis or not.
   */
  readonly due: number
  readonly deadLetters: number
  /** Calls answered with 200 (answered and unreadable). */
  readonly spent: number
  readonly unknownOutcomes: number
  /** Of these, the ones that nobody has looked at; see `seeUnknown`. */
  readonly unknownUnseen: number
  readonly callsByOutcome: Readonly<Record<CallOutcome, number>>
  readonly callsLastMinute: number
  /** The longest refused first, 50 at most. */
  readonly refused: readonly RefusedSearch[]
  /**
   * How many of the latest calls in a row were rate limited, 200 at most. Null: the latest was not.
   */
  readonly rateLimitedCalls: { readonly calls: number; readonly from: number; readonly to: number } | null
  /** The latest calls that failed without another outcome between them, 200 at most, and why the last did; null: it did not. */
  readonly failedCalls: { readonly calls: number; readonly reason: string } | null
}

/** A search without an outcome that is refused repeatedly, as if for the whole account. */
export interface RefusedSearch {
  readonly query: string
  /**
   * 402 although the account has credits; or rate limited while others are answered, or with no
   * other search left to compare with.
   */
  readonly kind: 'out_of_credits' | 'rate_limited' | 'rate_limited_last'
  /** The latest refusal. */
  readonly said: { readonly status: number | null; readonly words: string }
  /** How many more refusals make it a dead letter. Null: none will, in the current state. */
  readonly moreRefusals: number | null
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
  /** Dead, and discarded from the dead letters. */
  readonly discarded: boolean
  readonly calls: readonly CallReport[]
  readonly answer: string | null
  readonly items: readonly {
    readonly batchId: number
    readonly batchName: string
    readonly position: number
    readonly key: string | null
  }[]
}

export interface RowReport {
  readonly batch: Batch
  readonly position: number
  readonly key: string | null
  readonly row: string
  readonly problem: string | null
  readonly status: RowStatus
  readonly search: SearchReport | null
}

/** One row of the export, in input order. */
export interface ExportRow {
  readonly position: number
  readonly key: string | null
  readonly row: string
  readonly status: RowStatus
  /** What is stored of the answer for exports, as JSON. Null unless `tagged`, or where an older rule made it. */
  readonly tagging: string | null
  /** The answer's body; null unless `tagged`, and without `tagging` or asked for by `withAnswers`. */
  readonly answer: string | null
  /** Why it is invalid or dead, in one sentence. */
  readonly error: string | null
}

export interface ExportOptions {
  /** The position of the last row that the reader has. Default: from the first row. */
  readonly after?: number | undefined
  /** Rows carry the answer's body even if `tagging` is stored. */
  readonly withAnswers?: boolean | undefined
}

export interface Reports {
  /** Latest first. If there are more, finished ones are left out before unfinished ones. */
  batches(which: { readonly batchId?: number; readonly limit: number }): Promise<readonly BatchReport[]>
  totals(now: number): Promise<Totals>
  /** Calls of unknown outcome, newest first. */
  unknownOutcomes(
    limit: number,
  ): Promise<readonly { readonly call: CallReport; readonly search: string; readonly query: string }[]>
  /**
   * By the user's id, the position, or a fingerprint (or a unique prefix of it, of 6 digits or
   * more; `-<generation>` selects one generation). Null: no match. Throws `UsageError` when several
   * match. Lists 1,000 rows at most.
   */
  show(what: string, batchId: number | null): Promise<RowReport | SearchReport | null>
  /** Dead letters by cause, the largest group first. */
  deadLetterGroups(filter: DeadFilter): Promise<readonly DeadLetterGroup[]>
  /** Invalid rows by cause, the most frequent first. */
  invalidGroups(batchId: number): Promise<readonly InvalidGroup[]>
  /** Searches whose query contains the text, latest first. Reads every request. */
  searchesByQuery(text: string, limit: number): Promise<readonly FoundSearch[]>
  /** What a batch came to. Reads every call: for a report. */
  batchOutcome(batchId: number): Promise<BatchOutcome>
  /** Bodies of answers spread over the batch, at most `limit`. */
  someAnswers(batchId: number, limit: number): Promise<readonly string[]>
  /**
   * Reads on its own read-only connection, with constant memory. One snapshot, unless it takes
   * longer than half a minute.
   */
  exportRows(batchId: number, options?: ExportOptions): AsyncIterable<ExportRow>
}

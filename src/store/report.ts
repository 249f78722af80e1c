import type { Death } from '../domain/dead-letter.js'
import type { CallOutcome } from '../domain/outcome.js'
import type { SearchRequest } from '../domain/request.js'
import type { SearchRef } from '../domain/search-id.js'
import type { RowStatus, SearchState } from '../domain/states.js'
import type { Batch } from './batch.js'

/** The store's contract for reports: heavy reads, for the command line and the board. */
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
  /** The longest refused first, 50 at most. */
  readonly refused: readonly RefusedSearch[]
  /** The latest calls that were answered 429 without another outcome between them, 200 at most; null: the latest was not. */
  readonly rateLimitedCalls: { readonly calls: number; readonly from: number; readonly to: number } | null
  /** The latest calls that failed without another outcome between them, 200 at most, and why the last did; null: it did not. */
  readonly failedCalls: { readonly calls: number; readonly reason: string } | null
}

/** A search that is refused again and again, as if for the whole account, and has no verdict yet. */
export interface RefusedSearch {
  readonly query: string
  /** 402 although the account has credits; rate limited while others are answered, or with no other left to compare with. */
  readonly kind: 'out_of_credits' | 'rate_limited' | 'rate_limited_last'
  /** The latest refusal. */
  readonly said: { readonly status: number | null; readonly words: string }
  /** After so many more it is a dead letter; null: not as things stand. */
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
  /** Dead, and off the list of dead letters. */
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
  /** The answer's body; null unless `tagged` or `no_match`. */
  readonly answer: string | null
  /** Why it is invalid or dead: one sentence. */
  readonly error: string | null
}

export interface Reports {
  /** Latest first; where there are more than that, finished ones are left out before unfinished ones. */
  batches(which: { readonly batchId?: number; readonly limit: number }): Promise<readonly BatchReport[]>
  totals(now: number): Promise<Totals>
  /** Unknown outcomes by name, newest first. */
  unknownOutcomes(
    limit: number,
  ): Promise<readonly { readonly call: CallReport; readonly search: string; readonly query: string }[]>
  /**
   * By the user's id, the position, or a fingerprint (or a unique beginning of it, of 6 digits or more; `-<generation>` names
   * one asking). Null: no such thing. Throws `UsageError` when a beginning fits several. Lists 1,000 items at most.
   */
  show(what: string, batchId: number | null): Promise<RowReport | SearchReport | null>
  /** On a read-only connection of its own; memory stays flat. As of one moment, unless it takes longer than half a minute. */
  exportRows(batchId: number): AsyncIterable<ExportRow>
}

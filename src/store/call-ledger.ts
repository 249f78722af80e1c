import type { Death } from '../domain/dead-letter.js'
import type { CallOutcome, ResponseFacts } from '../domain/outcome.js'
import type { Pause, PauseCause } from '../domain/pause-cause.js'
import type { RefusalHistory } from '../domain/refusals.js'
import type { SearchRequest } from '../domain/request.js'
import type { SearchRef } from '../domain/search-id.js'

/** The store's contract for the ledger: which calls may be made, and how they ended. */

export type Claim =
  | {
      readonly kind: 'granted'
      readonly callId: number
      readonly request: SearchRequest
      /** Attempts used before. */
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
  /** The API asked everybody to wait: a job that was handed out before Redis knew of the hold. */
  | { readonly kind: 'held'; readonly until: number }
  /** Calls in flight may use up what is left above the reserve: ask again in a moment. */
  | { readonly kind: 'reserve_near'; readonly until: number }
  /** The record belongs to another API by now: this worker is about to be told to end. */
  | { readonly kind: 'another_api'; readonly until: number }

export interface ClaimRules {
  readonly now: number
  /** Open calls older than this are of unknown outcome: the request timeout plus 5 s. */
  readonly openCallMaxAgeMs: number
  /** TRACKYARD_CREDIT_RESERVE. */
  readonly creditReserve: number
  /** TRACKYARD_API_URL. */
  readonly apiUrl: string
}

/** How a call ended, and what becomes of its search. The call's outcome is recorded in every case. */
export type Closing =
  /** The answer is committed if the search still lacks one, even if it is dead or in another round by now: it is paid for. */
  | { readonly search: 'answered'; readonly body: string; readonly tracks: number }
  /**
   * Dead, if it still has no verdict (and, with `usesAttempt`, is still in the call's round: used-up attempts are one
   * life's affair). `body` kept when given; `pause` row written in the same transaction.
   */
  | {
      readonly search: 'dead'
      readonly death: Death
      readonly body: string | null
      readonly pause: Pause | null
      readonly usesAttempt: boolean
    }
  /** Still queued; an attempt used. */
  | { readonly search: 'failed' }
  /** Still queued; no attempt used. `pause` row or fleet hold (with what the API said) written in the same transaction. */
  | {
      readonly search: 'kept'
      readonly pause: Pause | null
      readonly rateLimitedUntil: number | null
      readonly holdDetail?: string | null
    }
  /** Still queued; no attempt used; counted as one more refusal of this search alone. */
  | { readonly search: 'deferred' }

export interface Streak {
  readonly refusedSearches: number
  readonly failedSearches: number
  readonly unpaidSearches: number
}

export interface CallLedger {
  /** Decides, and writes the call as sent and charged to the oldest batch that can pay. Grouped with others in one commit. */
  claim(ref: SearchRef, rules: ClaimRules): Promise<Claim>
  /**
   * Ends a call, once committed to disk (synchronous=FULL), grouped with others. Safe to repeat with the same
   * call. `endedProbe`: this answer ended a probe.
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
  ): Promise<{ readonly endedProbe: boolean }>
  /** Whether this call was made for that search. */
  isOf(callId: number, ref: Pick<SearchRef, 'fingerprint' | 'generation'>): Promise<boolean>
  /** The number of the latest call; 0: none was made. */
  latest(): Promise<number>
  /** How many calls were sent after `from`, up to and with `to`. */
  sentBetween(from: number, to: number): Promise<number>
  /** Open calls older than that become `unknown` (they stay charged). Returns how many. */
  expire(sentBefore: number): Promise<number>
  /**
   * For the breaker: distinct searches among the finished calls in a row, newest first, that ended refused, unauthorized or
   * unreadable, or transient or unknown, or out of credits; counting stops at an answer, and at the instant a pause for one
   * of these reasons was last lifted (the store remembers it in `pauses.lift`). Looks at the last 200 calls at most.
   */
  streak(): Promise<Streak>
  /** What speaks for and against a refusal of this call's search alone. Looks at 2,000 calls at most. */
  refusalHistory(callId: number): Promise<RefusalHistory>
}

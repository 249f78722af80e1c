import type { Decision } from '../domain/decision.js'
import type { CallOutcome, ResponseFacts } from '../domain/outcome.js'
import type { PauseCause } from '../domain/pause.js'
import type { RefusalHistory } from '../domain/refusals.js'
import type { SearchRequest } from '../domain/request.js'
import type { SearchRef } from '../domain/search-id.js'

/** The store's contract for the ledger: which calls may be made, and how they ended. */

export type Claim =
  | {
      readonly kind: 'granted'
      readonly callId: number
      readonly request: SearchRequest
      /** Attempts used before this call. */
      readonly failures: number
      readonly probing: boolean
    }
  /**
   * The search has its outcome, is in another round, or is unknown: complete the job without a
   * call.
   */
  | { readonly kind: 'nothing_to_do'; readonly why: 'answered' | 'dead' | 'old round' | 'unknown search' }
  /** No released batch with budget left wants it: it is waiting again, in a new round. */
  | { readonly kind: 'not_due' }
  /**
   * A call for it is in flight, or was in a process that died: do not retry before this instant.
   */
  | { readonly kind: 'call_open'; readonly until: number }
  | { readonly kind: 'paused'; readonly cause: PauseCause }
  /** Rate limited: the job was delivered before Redis had the limit. */
  | { readonly kind: 'rate_limited'; readonly until: number }
  /** Calls in flight may use up the credits above the reserve: retry shortly. */
  | { readonly kind: 'reserve_near'; readonly until: number }
  /** The store now belongs to another API: this worker is about to be stopped. */
  | { readonly kind: 'another_api'; readonly until: number }

export interface ClaimRules {
  readonly now: number
  /** Open calls older than this have an unknown outcome: the request timeout plus 5 s. */
  readonly openCallMaxAgeMs: number
  /** TRACKYARD_CREDIT_RESERVE. */
  readonly creditReserve: number
  /** TRACKYARD_API_URL. */
  readonly apiUrl: string
}

/** How a call ended. The outcome is always recorded; the decision says what happens to its search. */
export interface CallEnd {
  readonly outcome: CallOutcome
  readonly detail: string | null
  readonly facts: ResponseFacts
  readonly decision: Decision
  readonly now: number
}

export interface Streak {
  readonly refusedSearches: number
  readonly failedSearches: number
  readonly unpaidSearches: number
}

export interface CallLedger {
  /**
   * Decides whether to call. Records the call as sent and charges it to the oldest batch that can
   * pay. Shares a commit with other changes.
   */
  claim(ref: SearchRef, rules: ClaimRules): Promise<Claim>
  /**
   * Ends a call. Resolves once committed to disk (synchronous=FULL), sharing a commit with other
   * changes. Safe to repeat for the same call. `endedProbe`: this answer ended a probe.
   */
  close(callId: number, end: CallEnd): Promise<{ readonly endedProbe: boolean }>
  /** Whether this call was made for that search. */
  isOf(callId: number, ref: Pick<SearchRef, 'fingerprint' | 'generation'>): Promise<boolean>
  /** A person has looked at the calls of unknown outcome: only later ones are told from now on. */
  seeUnknown(): Promise<void>
  /** The id of the latest call. 0: no call was made. */
  latest(): Promise<number>
  /** How many calls were sent after `from`, up to and including `to`. */
  sentBetween(from: number, to: number): Promise<number>
  /** Open calls older than that become `unknown` and stay charged. Returns how many. */
  expire(sentBefore: number): Promise<number>
  /**
   * For the circuit breaker: distinct searches in the current streak of failures, newest first.
   * Counts them as refused (also unauthorized or unreadable), failed (transient or unknown), or out
   * of credits. Counting stops at an answer, and where a pause for one of these reasons was last
   * lifted (stored by `pauses.lift`). Looks at 200 calls at most.
   */
  streak(): Promise<Streak>
  /**
   * The evidence for and against a refusal of this call's search alone. Looks at 2,000 calls at
   * most.
   */
  refusalHistory(callId: number): Promise<RefusalHistory>
}

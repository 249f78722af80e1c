import type { Tagging } from './tags.js'

/**
 * The outcome of one call. The API client makes it, `decide` reads it, the ledger stores its kind.
 * Source: the API document's error table.
 */

/** What the headers and body of a response say besides the answer, for any status. Null: not given. */
export interface ResponseFacts {
  readonly status: number | null
  readonly requestId: string | null
  readonly creditsRemaining: number | null
  readonly limitPerMinute: number | null
  readonly remainingThisMinute: number | null
  readonly limitPerDay: number | null
  readonly remainingToday: number | null
  readonly durationMs: number
}

/** For a call without any response. */
export const NOTHING_SAID: ResponseFacts = {
  status: null,
  requestId: null,
  creditsRemaining: null,
  limitPerMinute: null,
  remainingThisMinute: null,
  limitPerDay: null,
  remainingToday: null,
  durationMs: 0,
}

/** The body of a 4xx or 5xx, in either documented shape. Texts are cut to 500 characters and redacted. */
export interface Refusal {
  readonly status: number
  readonly error: string | null
  readonly code: string | null
  readonly message: string | null
  readonly requestId: string | null
}

export type Outcome =
  | {
      readonly kind: 'answered'
      /** The body as received, kept whole. */
      readonly body: string
      readonly tracks: number
      readonly tagging: Tagging | null
    }
  /** A 200 that cannot be read or was cut off. It may be paid for, so it is kept and never bought again automatically. */
  | { readonly kind: 'unreadable'; readonly status: number; readonly body: string; readonly problem: string }
  | {
      readonly kind: 'rate_limited'
      /** Null: missing or invalid. */
      readonly retryAfterMs: number | null
      /** The daily limit, not the minute's. */
      readonly daily: boolean
      readonly refusal: Refusal
    }
  | { readonly kind: 'out_of_credits'; readonly refusal: Refusal }
  | { readonly kind: 'unauthorized'; readonly refusal: Refusal }
  | { readonly kind: 'refused'; readonly refusal: Refusal }
  | {
      readonly kind: 'transient'
      readonly reason: string
      readonly status: number | null
      /** Null where there was no response. */
      readonly refusal: Refusal | null
      readonly retryAfterMs: number | null
      /** The request may have reached the API, and no response shows that it was free. A credit may be spent. */
      readonly maybePaid: boolean
    }

export interface CallResult {
  readonly outcome: Outcome
  readonly facts: ResponseFacts
}

/**
 * The state of a call in the ledger. `sent` is open. `unknown` was sent, but its answer never began to
 * arrive, or its process was killed. The rest are outcomes.
 */
export const CALL_OUTCOMES = [
  'sent',
  'unknown',
  'answered',
  'unreadable',
  'rate_limited',
  'out_of_credits',
  'unauthorized',
  'refused',
  'transient',
] as const
export type CallOutcome = (typeof CALL_OUTCOMES)[number]

/** The ledger's outcome of a finished call. Source: API document, "Credits are consumed on successful responses only". */
export function ledgerOutcome(outcome: Outcome): CallOutcome {
  return outcome.kind === 'transient' && outcome.maybePaid ? 'unknown' : outcome.kind
}

/** Whether the call stays charged to its batch: it is paid for, or may be. */
export function isCharged(outcome: CallOutcome): boolean {
  switch (outcome) {
    case 'sent':
    case 'unknown':
    case 'answered':
    case 'unreadable':
      return true
    case 'rate_limited':
    case 'out_of_credits':
    case 'unauthorized':
    case 'refused':
    case 'transient':
      return false
    default:
      return outcome satisfies never
  }
}

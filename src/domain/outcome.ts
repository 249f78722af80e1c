/**
 * The verdict on one call: what the API said, in our words. The client makes it, the judge reads it,
 * the ledger keeps its kind. Source: the API document's error table.
 */

/** A track as documented for POST /search; every field but `id` may be missing in practice. */
export interface Track {
  readonly id: string
  readonly title: string | null
  readonly artist: string | null
  readonly bpm: number | null
  readonly key: string | null
  readonly genre: string | null
  readonly subgenres: readonly string[]
  readonly moods: readonly string[]
  readonly instruments: readonly string[]
  readonly hasVocals: boolean | null
  readonly energyLevel: string | null
}

/** What came along with a response, whatever its status. Null where the API did not say. */
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

/** Where there was no response at all. */
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

/** What a 4xx or 5xx said, in either of the documented body shapes. Texts are cut to 500 characters and free of the API key. */
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
    }
  /** A 200 that cannot be read, or whose body was cut off: it may be paid for, so it is kept and never bought again unasked. */
  | { readonly kind: 'unreadable'; readonly status: number; readonly body: string; readonly problem: string }
  | {
      readonly kind: 'rate_limited'
      /** Null: missing or not readable. */
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
      /** True when the request may have reached the API and no answer says that it was free: a credit may be gone. */
      readonly maybePaid: boolean
    }

export interface CallResult {
  readonly outcome: Outcome
  readonly facts: ResponseFacts
}

/**
 * How a call stands in the ledger. `sent` is open; `unknown` was sent and its answer never began to arrive
 * (or arrived in a process that was killed); the rest are outcomes.
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

/** What a finished call counts as: API document, "Credits are consumed on successful responses only". */
export function ledgerOutcome(outcome: Outcome): CallOutcome {
  return outcome.kind === 'transient' && outcome.maybePaid ? 'unknown' : outcome.kind
}

/** Whether the call stays charged to its batch: paid, or perhaps paid. */
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

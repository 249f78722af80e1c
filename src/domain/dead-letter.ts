/** Why a search is dead, and what a person can do about it. */
export const DEATH_REASONS = ['refused', 'unauthorized', 'unreadable', 'crashed', 'attempts_used_up'] as const
export type DeathReason = (typeof DEATH_REASONS)[number]

export interface Death {
  readonly reason: DeathReason
  readonly status: number | null
  /** One short sentence from the API, or from our parser. */
  readonly error: string
  readonly code: string | null
  readonly message: string | null
  readonly requestId: string | null
  readonly remedy: string
}

/** A dead letter as `dead-letters list` shows it. The job in the dead-letters queue has the same data. */
export interface DeadLetter {
  /** Fingerprint, with `-<generation>` when it is not the first. */
  readonly search: string
  readonly query: string
  readonly status: number | null
  readonly error: string
  readonly code: string | null
  readonly message: string | null
  readonly request_id: string | null
  readonly attempts: number
  /** Rows that share this search. */
  readonly items: number
  /** ISO 8601. */
  readonly died_at: string
  readonly remedy: string
  /** A retry may be charged again, because an earlier call may be paid for already. */
  readonly maybe_paid: boolean
}

/** The documented remedy for a refusal. Source: the API document's error table. */
export function remedyFor(status: number): string {
  switch (status) {
    case 400:
      return 'Check the query, the limit and the types of the filters, then submit the corrected row.'
    case 401:
      return 'Check TRACKYARD_API_KEY: not revoked, complete, without quotes; then run `trackyard-batch resume`, which retries these too.'
    case 403:
      return 'The key may not do this: check the tier with `trackyard-batch account`, then retry.'
    case 404:
      return 'Check the base URL (TRACKYARD_API_URL) and the ids in the request, then retry.'
    case 413:
      return 'The request is too large: shorten the query or the filters.'
    case 415:
    case 422:
      return 'The API could not use this request: check the query and the filters.'
    default:
      return 'Not documented by the API: retry once, and quote the request id to support if the error persists.'
  }
}

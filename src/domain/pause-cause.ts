/**
 * Why no calls are made. The store has one row per cause and BullMQ's flag follows the rows, so that
 * lifting one cause never lifts another.
 */
export const PAUSE_CAUSES = ['operator', 'no_credits', 'reserve', 'unauthorized', 'failing', 'outage'] as const
/**
 * - `operator`: a person paused the queue. Only a person resumes it.
 * - `no_credits`: the API answered 402. Ends when the balance is back, or by `resume`.
 * - `reserve`: the balance is down to TRACKYARD_CREDIT_RESERVE. Ends like `no_credits`.
 * - `unauthorized`: the API answered 401. Ends by `resume`, with a valid key.
 * - `failing`: the circuit breaker; 25 searches refused in a row. Ends by `resume`, after a person has looked.
 * - `outage`: the circuit breaker; the calls of 25 searches in a row failed (5xx, timeouts). Probed at
 *   growing intervals until it is over.
 */
export type PauseCause = (typeof PAUSE_CAUSES)[number]

/** "Paused (by hand)", "Paused (no credits)" */
export function causeInWords(cause: PauseCause): string {
  return cause === 'operator' ? 'by hand' : cause.replace('_', ' ')
}

export interface Pause {
  readonly cause: PauseCause
  readonly since: number
  /** One sentence for people: what happened, with figures. */
  readonly detail: string
}

/** When GET /me was last called for an empty account, and when it is called next; null: unknown. */
export interface BalanceWatch {
  readonly askedAt: number | null
  readonly nextAt: number | null
}

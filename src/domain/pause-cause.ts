/**
 * Why no calls are made. One row per cause is the truth and BullMQ's flag follows, so that lifting one
 * cause never lifts another.
 */
export const PAUSE_CAUSES = ['operator', 'no_credits', 'reserve', 'unauthorized', 'failing', 'outage'] as const
/**
 * - `operator`: somebody said so. Only somebody ends it.
 * - `no_credits`: the API answered 402. Ends when the balance is back, or by `resume`.
 * - `reserve`: the credits left have reached TRACKYARD_CREDIT_RESERVE. Ends like `no_credits`.
 * - `unauthorized`: the API answered 401. Ended by `resume`, with a key that works.
 * - `failing`: the breaker; 25 searches refused in a row. Ended by `resume`, when somebody has looked.
 * - `outage`: the breaker; 25 searches in a row whose calls failed (5xx, timeouts). Probed at growing intervals until it is over.
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

/** The watch over an empty account, as the worker that keeps it notes it down; null: not known. */
export interface BalanceWatch {
  readonly askedAt: number | null
  readonly nextAt: number | null
}

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

/**
 * The first sentence about a pause: cause, since when, detail. The status message and the notification share it.
 * @param since the moment as text, since each reader shows it differently
 */
export function pauseSummary(pause: Pause, since: string): string {
  const detail = pause.detail.replace(/\.$/, '')
  switch (pause.cause) {
    case 'operator':
      return `Paused by hand since ${since}${detail === '' ? '' : ` (${detail})`}.`
    case 'no_credits':
      return `Paused: no credits left since ${since} (the API says "${detail}").`
    case 'reserve':
      return `Paused: at the credit reserve since ${since} (${detail}).`
    case 'unauthorized':
      return `Paused: API key refused since ${since} (${detail}).`
    case 'failing':
      return `Paused: too many searches refused in a row since ${since} (${detail}).`
    case 'outage':
      return `Paused: the API has been failing since ${since} (${detail}).`
    default:
      return pause.cause satisfies never
  }
}

/** What ends a pause that is neither for credits nor for the reserve. */
export function pauseNextStep(cause: Exclude<Pause['cause'], 'no_credits' | 'reserve'>): string {
  switch (cause) {
    case 'operator':
      return 'Run `trackyard-batch resume` to continue.'
    case 'unauthorized':
      return 'Set a working key, restart the worker, then run `trackyard-batch resume`.'
    case 'failing':
      return 'See `trackyard-batch dead-letters`, then run `trackyard-batch resume`.'
    case 'outage':
      return 'Workers retry at growing intervals; to retry now, run `trackyard-batch resume`.'
    default:
      return cause satisfies never
  }
}

/** What a person can do when credits run out; what follows depends on TRACKYARD_AUTO_RESUME_HOURS. */
export function creditNextStep(cause: 'no_credits' | 'reserve'): string {
  return cause === 'no_credits' ? 'Top up' : 'Top up, or lower TRACKYARD_CREDIT_RESERVE and restart the worker'
}

/** Why a worker makes no calls. Sent with its heartbeat. */
export interface WriteFailure {
  /**
   * `save`: paid answers wait in memory. `claim`: the claim before a call cannot be written; no answer waits.
   * `lost`: the open files are no longer the store (deleted, replaced, moved, damaged).
   */
  readonly kind: 'save' | 'claim' | 'lost'
  /** Epoch milliseconds. */
  readonly since: number
  /** What happened. One sentence for `save` and `claim`; for `lost` it ends with what to do next. */
  readonly cause: string
}

import type { CallOutcome } from '../domain/outcome.js'
import type { PauseCause } from '../domain/pause.js'

/**
 * One sample a minute of what the store counts anyway. A chart of a week reads a few hundred samples
 * instead of every call. Counters only rise; a chart shows their differences.
 */
export interface Sample {
  /** Minutes since 1970. */
  readonly minute: number
  /** Null: not known. */
  readonly credits: number | null
  readonly limitPerMinute: number | null
  readonly rows: number
  /** Rows with an outcome, invalid ones included. */
  readonly rowsDone: number
  /** Calls that ended so far, by outcome. */
  readonly calls: Readonly<Record<EndedOutcome, number>>
  /** What stopped all calls at some time in this minute. */
  readonly stopped: StopCause | null
}

export const ENDED_OUTCOMES = [
  'answered',
  'unreadable',
  'unknown',
  'rate_limited',
  'out_of_credits',
  'unauthorized',
  'refused',
  'transient',
] as const satisfies readonly CallOutcome[]
export type EndedOutcome = (typeof ENDED_OUTCOMES)[number]
export type StopCause = PauseCause | 'rate_limit'

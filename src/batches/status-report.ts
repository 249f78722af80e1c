import type { PauseCause } from '../domain/pause-cause.js'
import type { BatchState } from '../domain/states.js'

/** What `status --json` prints; the names are a contract with scripts. Instants are ISO 8601. */
export interface StatusReport {
  readonly queue: {
    /** The first that applies. */
    readonly state: 'paused' | 'no workers' | 'held' | 'running' | 'idle'
    /** One sentence: why it moves or does not. */
    readonly reason: string
    /** When that ends by itself; null when it does not, or nobody knows. */
    readonly until: string | null
    /** Causes that stand; empty unless paused. */
    readonly causes: readonly PauseCause[]
    /** Calls go one at a time until one succeeds. */
    readonly probing: boolean
    /** Due, in Redis or not. */
    readonly waiting: number
    readonly active: number
    readonly delayed: number
    readonly dead_letters: number
    readonly workers: number
    /** Of these, how many cannot write to the store: they make no calls. */
    readonly stuck_workers: number
  }
  readonly credits: { readonly remaining: number | null; readonly spent: number; readonly unknown_outcomes: number }
  readonly pace: { readonly limit_per_minute: number | null; readonly calls_last_minute: number }
  /** When all that is due will be done at this pace; null when nothing is due or nothing moves. */
  readonly eta: string | null
  readonly batches: readonly BatchStatus[]
}

export interface BatchStatus {
  readonly batch: number
  readonly name: string
  readonly state: BatchState
  readonly items: number
  readonly tagged: number
  readonly no_match: number
  readonly waiting: number
  readonly withheld: number
  readonly dead: number
  readonly invalid: number
  readonly cancelled: number
  readonly created_at: string
  readonly completed_at: string | null
}

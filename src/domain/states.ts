/**
 * The state machines. Every transition is guarded: it names the state (and round) that it leaves, and
 * returns whether it happened.
 *
 *   search   waiting ──feeder──▶ queued ──worker──▶ answered
 *             ▲   ▲                │ │                 ▲
 *             │   └─── requeue ────┘ │            late answer
 *             │                      ▼                 │
 *             └──────── retry ───── dead ──────────────┘
 *
 *   A retry and a requeue raise the round. Reasons of death: `DEATH_REASONS`.
 *
 *   batch    loading ──release──▶ released ──cancel──▶ cancelled
 *               └── interrupted: dropped, nothing was spent
 */

/**
 * - `waiting`: not in Redis. In: submit, requeue, retry. Out: the feeder.
 * - `queued`: in Redis (waiting, delayed or active there). In: the feeder. Out: a worker's decision, or a requeue.
 * - `answered`: paid for and kept. In: a worker. Never left.
 * - `dead`: a dead letter. In: a worker, or maintenance for a search that crashed its workers. Out: retry,
 *   or a late answer that was paid for.
 */
export const SEARCH_STATES = ['waiting', 'queued', 'answered', 'dead'] as const
export type SearchState = (typeof SEARCH_STATES)[number]

/**
 * - `loading`: the catalog is being read, or the plan waits for confirmation. Nothing is spent.
 * - `released`: its searches are due, within its budget.
 * - `cancelled`: makes no more calls, keeps its answers.
 */
export const BATCH_STATES = ['loading', 'released', 'cancelled'] as const
export type BatchState = (typeof BATCH_STATES)[number]

/** The one status of a row, as the export and `status` show it. */
export const ROW_STATUSES = ['tagged', 'no_match', 'dead', 'invalid', 'withheld', 'waiting', 'cancelled'] as const
export type RowStatus = (typeof ROW_STATUSES)[number]

export const PRIORITIES = ['high', 'normal', 'low'] as const
export type Priority = (typeof PRIORITIES)[number]

export function lessUrgentThan(priority: Priority): readonly Priority[] {
  return PRIORITIES.slice(PRIORITIES.indexOf(priority) + 1)
}

/** Exactly one status for every row. */
export function rowStatus(row: {
  /** Why the row cannot become a request; null when it can. */
  problem: string | null
  search: { state: SearchState; tracks: number | null } | null
  batchState: BatchState
  /** No batch has budget left for this search. */
  withheld: boolean
}): RowStatus {
  if (row.problem !== null || row.search === null) return 'invalid'
  switch (row.search.state) {
    case 'answered':
      return (row.search.tracks ?? 0) > 0 ? 'tagged' : 'no_match'
    case 'dead':
      return 'dead'
    case 'waiting':
    case 'queued':
      if (row.batchState === 'cancelled') return 'cancelled'
      return row.withheld ? 'withheld' : 'waiting'
    default:
      return row.search.state satisfies never
  }
}

/**
 * Of all work, in the order of precedence: the first that applies. `unknown`: Redis cannot be used, so nobody knows about
 * the workers. `write_failure`: no worker can write to the store.
 */
export const QUEUE_STATES = [
  'paused',
  'unknown',
  'no_workers',
  'write_failure',
  'rate_limited',
  'running',
  'idle',
] as const
export type QueueState = (typeof QUEUE_STATES)[number]

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

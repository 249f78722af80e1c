/** Why a worker makes no calls. Sent along with its heartbeat. */
export interface WriteFailure {
  /**
   * `save`: paid answers wait in its memory. `claim`: it cannot write down what it is about to call; nothing waits.
   * `lost`: the files that it has open are no longer the store (deleted, replaced, moved, damaged).
   */
  readonly kind: 'save' | 'claim' | 'lost'
  /** Epoch milliseconds. */
  readonly since: number
  /** What happened. One sentence for `save` and `claim`; for `lost` it ends with what to do next. */
  readonly cause: string
}

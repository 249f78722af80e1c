/** Why a worker makes no calls: the record does not take what it writes. Said along with its heartbeat. */
export interface StoreTrouble {
  /** `save`: paid answers wait in its memory. `claim`: it cannot write down what it is about to call; nothing waits. */
  readonly kind: 'save' | 'claim'
  /** Epoch milliseconds. */
  readonly since: number
  /** One sentence for people. */
  readonly cause: string
}

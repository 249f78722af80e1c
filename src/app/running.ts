/** A service: it runs when its start has resolved; `stop` may be called twice. */
export interface Running {
  /** Quiet, finish what is in hand until the grace ends, put the rest back, close. Second call: the same promise. */
  stop(): Promise<void>
  /** Resolves when it was asked to end (`down`), rejects when it cannot go on. */
  readonly done: Promise<void>
}

import type { Cleanup } from './cleanup.js'

/** A service: it runs when its start has resolved; `stop` may be called twice. */
export interface Service {
  /** Quiet, finish what is in hand until the grace ends, put the rest back, close. Second call: the same promise. */
  stop(): Promise<void>
  /** What is being saved now would be lost with the process: `stop` is waited for, however long it takes. */
  readonly isSaving?: () => boolean
  /** Resolves when it was asked to end (`down`), rejects when it cannot go on. */
  readonly done: Promise<void>
}

/** One that was asked to end before it had begun. */
export function stoppedBefore(cleanup: Cleanup): Service {
  return { stop: () => cleanup.runAll(), done: Promise.resolve() }
}

/** What a child tells its parent when its `done` resolves: its exit 0 is meant for the whole then. */
export const ASKED_TO_END = 'asked to end'

/** A `done` with its two ends. */
export function deferred(): {
  readonly done: Promise<void>
  readonly end: { readonly well: () => void; readonly badly: (error: Error) => void }
} {
  let well: () => void = () => {}
  let badly: (error: Error) => void = () => {}
  const done = new Promise<void>((resolve, reject) => {
    well = resolve
    badly = reject
  })
  // Somebody may stop the service before anybody waits for it.
  done.catch(() => {})
  return { done, end: { well: () => well(), badly: (error) => badly(error) } }
}

import { ConfigurationError } from '../domain/errors.js'
import type { Cleanup } from './cleanup.js'

/** A running process. It runs once its start has resolved. */
export interface Service {
  /**
   * Takes no new jobs, finishes active jobs within the grace period, requeues the rest, closes.
   * Later calls return the same promise.
   */
  stop(): Promise<void>
  /**
   * While true, `stop` is awaited without a deadline: what is being saved would be lost with the
   * process.
   */
  readonly isSaving?: () => boolean
  /** Resolves when `down` stops it, rejects on a fatal error. */
  readonly done: Promise<void>
}

/** A service that `down` stopped before it began. */
export function alreadyStoppedService(cleanup: Cleanup): Service {
  return { stop: () => cleanup.runAll(), done: Promise.resolve() }
}

/**
 * A child's message to `up` when its `done` resolves: `down` stops all children, not only this one.
 */
export const ASKED_TO_END = 'asked to end'

/** Ends `up`, which logs nothing: the child has logged why. */
export class ChildRefused extends ConfigurationError {}

export interface Deferred {
  readonly done: Promise<void>
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

export function deferred(): Deferred {
  let resolve: () => void = () => {}
  let reject: (error: Error) => void = () => {}
  const done = new Promise<void>((onResolve, onReject) => {
    resolve = onResolve
    reject = onReject
  })
  // The service may be stopped before anyone awaits `done`.
  done.catch(() => {})
  return { done, resolve, reject }
}

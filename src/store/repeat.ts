import pRetry from 'p-retry'
import { UnreachableError } from '../domain/errors.js'
import { isStoreLocked } from './store-locked.js'

/** Over some four seconds: a database that was restarted is back by then. */
const TRIES = { retries: 3, minTimeout: 200, factor: 4 }

/**
 * Repeats a change that failed with the connection: its commit may be done although the acknowledgement
 * is lost. For changes that are safe to repeat. A locked store certainly did nothing.
 */
export function repeatIfLost<T>(change: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  return pRetry(change, {
    ...TRIES,
    ...(signal !== undefined && { signal }),
    shouldRetry: ({ error }) => error instanceof UnreachableError && !isStoreLocked(error),
  })
}

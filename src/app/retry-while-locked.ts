import pRetry from 'p-retry'
import type { UnreachableError } from '../domain/errors.js'
import type { Logger } from '../domain/logger.js'
import { isStoreLocked } from '../store/store-locked.js'

const BETWEEN_TRIES_MS = 1000

/**
 * Retries `open` while the store is locked, by a backup, a frozen process or another program.
 * Exiting instead would leave a batch that was started by hand without a worker all night. Other
 * errors are thrown at once.
 * @param meanwhile `interrupted` ends the wait by throwing its reason; `locked` is called after
 * each attempt and may end the wait by throwing
 */
export function retryWhileLocked<T>(
  open: () => Promise<T>,
  meanwhile: {
    readonly log: Logger
    readonly interrupted: AbortSignal
    readonly locked?: (error: UnreachableError) => Promise<void>
  },
): Promise<T> {
  const { log, interrupted, locked = async () => {} } = meanwhile
  // Not p-retry's `signal`: it would drop a store that was just opened without closing it.
  return pRetry(open, {
    retries: Number.POSITIVE_INFINITY,
    factor: 1,
    minTimeout: BETWEEN_TRIES_MS,
    shouldRetry: ({ error }) => isStoreLocked(error),
    onFailedAttempt: async ({ error, attemptNumber }) => {
      if (!isStoreLocked(error)) return
      interrupted.throwIfAborted()
      log.warn(
        { event: 'store.locked', tries: attemptNumber, repeats: true },
        `${error.message} Waiting until it is unlocked.`,
      )
      await locked(error)
    },
  })
}

import pRetry from 'p-retry'
import type { UnreachableError } from '../domain/errors.js'
import type { Logger } from '../domain/logger.js'
import { isStoreLocked } from '../store/store-error.js'

const BETWEEN_TRIES_MS = 1000

/**
 * Opens what needs the store as soon as nobody holds it locked: a backup, a frozen process, another program. Ending
 * instead would leave a night that was started by hand without its worker. Whatever else fails is thrown at once.
 * @param meanwhile `interrupted` ends the wait, which throws its reason; `locked` is called after each try, and ends it by throwing
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
  // Not p-retry's own `signal`: it would also throw away what has been opened at that moment.
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
        `${error.message} The start goes on as soon as it is free.`,
      )
      await locked(error)
    },
  })
}

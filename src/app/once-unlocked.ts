import pRetry from 'p-retry'
import type { Logger } from '../domain/logger.js'
import { isStoreLocked } from '../store/store-error.js'

const BETWEEN_TRIES_MS = 1000
/** Each try takes some seconds by itself: a line in about half a minute. */
const TRIES_A_LINE = 10

/**
 * Starts a service as soon as nobody holds its store locked: a backup, a frozen process, another program. Ending
 * instead would leave a night that was started by hand without its worker. Whatever else fails is thrown at once.
 * @param interrupted Gives the start up; its reason is thrown.
 */
export function onceUnlocked<T>(start: () => Promise<T>, log: Logger, interrupted: AbortSignal): Promise<T> {
  // Not p-retry's own `signal`: it would also throw away a service that has started at that moment.
  return pRetry(start, {
    retries: Number.POSITIVE_INFINITY,
    factor: 1,
    minTimeout: BETWEEN_TRIES_MS,
    shouldRetry: ({ error }) => isStoreLocked(error),
    onFailedAttempt: ({ error, attemptNumber }) => {
      if (!isStoreLocked(error)) return
      interrupted.throwIfAborted()
      if (attemptNumber % TRIES_A_LINE === 1)
        log.warn({ tries: attemptNumber }, `${error.message} The start goes on as soon as it is free.`)
    },
  })
}

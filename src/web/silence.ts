import { UnreachableError } from '../domain/errors.js'
import type { Logger } from '../domain/logger.js'

/** A page that waits for Redis would hang without a message. After this time it gets an error. */
export const ANSWER_WITHIN_MS = 5_000
export const REDIS_SILENT_MESSAGE = 'Redis does not answer. Check that it is running; the page reloads by itself.'

/** The connection logs Redis outages once. Every open page retries every few seconds, so these are logged at debug. */
export function logFailure(log: Logger, error: unknown, path: string): void {
  const level = error instanceof UnreachableError ? 'debug' : 'error'
  log[level]({ event: 'board.request_failed', err: error, path }, 'The board could not answer')
}

export function messageOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'message' in error ? String(error.message) : String(error)
}

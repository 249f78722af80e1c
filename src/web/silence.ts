import { UnreachableError } from '../domain/errors.js'
import type { Logger } from '../domain/logger.js'
import { settledWithin } from '../domain/with-timeout.js'

/** A page that waits for Redis would hang without a message. After this time it gets an error. */
export const ANSWER_WITHIN_MS = 5_000
export const REDIS_SILENT_MESSAGE = 'Redis does not answer. Check that it is running.'

/** @throws UnreachableError if Redis delays it for longer than `ms` */
export type RedisReads = <T>(ms: number, read: () => Promise<T>) => Promise<T>

const MOST_ABANDONED = 10

/**
 * A read for which no page waits any more still waits in the connection to Redis. Open pages ask every two seconds, all
 * night, so while so many wait, no other is started.
 */
export function openRedisReads(): RedisReads {
  let abandoned = 0
  const ended = () => {
    abandoned -= 1
  }
  return async (ms, read) => {
    if (abandoned >= MOST_ABANDONED) throw new UnreachableError(REDIS_SILENT_MESSAGE)
    const work = read()
    if (await settledWithin(ms, work)) return work
    abandoned += 1
    void work.then(ended, ended)
    throw new UnreachableError(REDIS_SILENT_MESSAGE)
  }
}

/** The connection logs Redis outages once. Every open page retries every few seconds, so these are logged at debug. */
export function logFailure(log: Logger, error: unknown, path: string): void {
  const level = error instanceof UnreachableError ? 'debug' : 'error'
  log[level]({ event: 'board.request_failed', err: error, path }, 'The board could not answer')
}

export function messageOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'message' in error ? String(error.message) : String(error)
}

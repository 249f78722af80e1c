import { UnreachableError } from '../domain/errors.js'
import type { Throttle } from '../queue/search-queue.js'

/**
 * A throttle that tolerates an unreachable Redis. Pauses are rows in the store and every claim
 * reads them, so pausing and resuming work without Redis. A running worker sets the flag in Redis
 * within seconds. Failures are remembered so that the command can report them.
 */
export interface TolerantThrottle {
  readonly throttle: Throttle
  /** False after any operation failed. */
  wasReached(): boolean
}

export function tolerantThrottle(real: Throttle | null): TolerantThrottle {
  let reached = real !== null

  async function attempt<T>(work: (throttle: Throttle) => Promise<T>, otherwise: T): Promise<T> {
    if (real === null) return otherwise
    try {
      return await work(real)
    } catch (error) {
      if (!(error instanceof UnreachableError)) throw error
      reached = false
      return otherwise
    }
  }

  return {
    wasReached: () => reached,
    throttle: {
      pause: () => attempt((throttle) => throttle.pause(), undefined),
      resume: () => attempt((throttle) => throttle.resume(), undefined),
      isPaused: () => attempt((throttle) => throttle.isPaused(), false),
      rateLimit: (until) => attempt((throttle) => throttle.rateLimit(until), undefined),
      rateLimitedUntil: () => attempt((throttle) => throttle.rateLimitedUntil(), null),
      liftRateLimit: () => attempt((throttle) => throttle.liftRateLimit(), false),
      syncRateLimit: (until) => attempt((throttle) => throttle.syncRateLimit(until), { tooLongMs: 0, wasStale: false }),
      setRate: (callsPerMinute) => attempt((throttle) => throttle.setRate(callsPerMinute), undefined),
      rate: () => attempt((throttle) => throttle.rate(), null),
      startSerial: () => attempt((throttle) => throttle.startSerial(), undefined),
      stopSerial: () => attempt((throttle) => throttle.stopSerial(), undefined),
      isSerial: () => attempt((throttle) => throttle.isSerial(), false),
    },
  }
}

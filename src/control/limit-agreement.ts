import type { Logger } from '../domain/logger.js'
import type { SearchQueue } from '../queue/search-queue.js'

/**
 * All workers share one rate limit, but each has its own TRACKYARD_RATE_LIMIT. The worker that sets the
 * rate limit publishes its setting. Any other worker whose setting differs logs a warning, once per value.
 */
export interface LimitAgreement {
  /** For the worker that sets the rate limit. */
  keep(): Promise<void>
  /** For all other workers. */
  compare(): Promise<void>
}

export function limitAgreement(parts: {
  readonly queue: Pick<SearchQueue, 'registry'>
  readonly rateLimit: number | 'auto'
  readonly log: Logger
}): LimitAgreement {
  const { rateLimit, log } = parts
  const { registry } = parts.queue
  let known = rateLimit
  return {
    async keep() {
      known = rateLimit
      await registry.keepLimit(rateLimit)
    },
    async compare() {
      const kept = await registry.keptLimit()
      if (kept === null || kept === known) return
      known = kept
      if (kept === rateLimit) return
      log.warn(
        { event: 'rate_limit.mismatch_found', here: rateLimit, inForce: kept, repeats: true },
        `TRACKYARD_RATE_LIMIT is ${rateLimit} here, but ${kept} in the worker that sets it for all. Set the same value everywhere.`,
      )
    },
  }
}

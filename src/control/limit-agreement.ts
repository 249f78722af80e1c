import type { Logger } from '../domain/logger.js'
import type { SearchQueue } from '../queue/search-queue.js'

/**
 * One pace for the whole fleet, but a TRACKYARD_RATE_LIMIT in every worker's environment. The worker that keeps the pace
 * decides for all, and says by which setting; any other that has another one warns, once for each that it finds.
 */
export interface LimitAgreement {
  /** For the worker that keeps the pace. */
  keep(): Promise<void>
  /** For all others. */
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
        `TRACKYARD_RATE_LIMIT is ${rateLimit} here, but ${kept} in the worker that keeps the pace for all: set the same everywhere`,
      )
    },
  }
}

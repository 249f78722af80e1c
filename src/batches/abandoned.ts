import type { Logger } from '../domain/logger.js'
import type { Store } from '../store/store.js'

/**
 * A submit that was killed while it loaded, or while its plan waited for an answer, leaves a batch behind without a
 * heartbeat. Nothing was spent for it. Every worker drops it as a chore, and so does whoever comes across it.
 */
export interface AbandonedParts {
  readonly store: Pick<Store, 'batches'>
  readonly log: Logger
  readonly now: () => number
}

/** How often a loader says that it lives. */
export const HEARTBEAT_MS = 5000
/** A loader that has said nothing for so long is gone. */
const ABANDONED_MS = 60_000

export async function dropAbandoned({ store, log, now }: AbandonedParts): Promise<void> {
  const dropped = await store.batches.dropAbandoned(now() - ABANDONED_MS)
  if (dropped > 0)
    log.info(
      { event: 'batch.abandoned', batches: dropped },
      'dropped what a killed submit had left behind; nothing was spent',
    )
}

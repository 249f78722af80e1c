import { formatTimeAndWait, truncate } from '../domain/format.js'
import type { Logger } from '../domain/logger.js'
import type { Batch, Store } from '../store/store.js'
import { START_A_WORKER } from './pause-message.js'

/**
 * A submit that is killed while it loads, or while it waits for the user's answer to the plan, leaves a batch without
 * a heartbeat. Nothing was spent for it. Workers drop it in a maintenance task; commands that find it drop it too.
 */

export interface AbandonedParts {
  readonly store: Pick<Store, 'batches'>
  readonly log: Logger
  readonly now: () => number
}

/** How often a submit sends the heartbeat of its loading batch. */
export const HEARTBEAT_MS = 5000
/** A submit without a heartbeat for this long counts as killed. */
const ABANDONED_MS = 60_000

/** Why nothing of a batch moves yet; null: it is released. @param workers null: not known */
export function unreleasedMessage(
  { id, name, state, notBefore }: Batch,
  now: number,
  workers: number | null = null,
): string | null {
  if (state !== 'loading') return null
  if (notBefore !== null) {
    const by = workers === 0 ? `, by a worker. ${START_A_WORKER}` : '.'
    return `Batch ${id} (${truncate(name, 60)}) will be released at ${formatTimeAndWait(notBefore, now)}${by}`
  }
  return `Batch ${id} (${truncate(name, 60)}) is being loaded by a submit and not released yet. If that submit was killed, the batch is dropped within about a minute.`
}

export async function dropAbandoned({ store, log, now }: AbandonedParts): Promise<void> {
  const dropped = await store.batches.dropAbandoned(now() - ABANDONED_MS)
  if (dropped > 0)
    log.info(
      { event: 'batch.abandoned', batches: dropped },
      'dropped batches that killed submits left loading; nothing was spent',
    )
}

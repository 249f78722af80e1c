import type { Logger } from '../domain/logger.js'
import type { MaintenanceTask } from '../maintenance/scheduler.js'
import type { SearchProcessor } from '../processing/process-search.js'
import { writeUnsaved } from '../processing/unsaved.js'
import type { SearchQueue } from '../queue/search-queue.js'
import type { Store } from '../store/store.js'

/**
 * In every process that keeps the store open: logs when it is lost and when it is back, and saves what only
 * this process still has of it. That nothing is begun meanwhile is the store's own doing, at once.
 */
const LOOK_EVERY_MS = 1000

/** The board leaves the copy to a worker, and finds it; where no worker runs it makes it. */
export const WORKERS_COPY_WITHIN_MS = 10_000

/** @param rescuesAfterMs how long after the loss */
export function storeChore(
  store: Pick<Store, 'trouble' | 'rescue'>,
  log: Logger,
  rescuesAfterMs: number,
): MaintenanceTask {
  let said: string | null = null
  return {
    name: 'look whether the store is in its place',
    everyMs: LOOK_EVERY_MS,
    run: async () => {
      const since = store.trouble()?.since
      if (since !== undefined && Date.now() - since >= rescuesAfterMs) await store.rescue(false)
      const cause = store.trouble()?.cause ?? null
      if (cause !== null && cause !== said) log.error({ event: 'store.lost' }, cause)
      if (cause === null && said !== null)
        log.info({ event: 'store.found' }, 'the store is in its place again; calls go on')
      said = cause
    },
  }
}

type Known = {
  readonly store: Pick<Store, 'calls'>
  readonly queue: Pick<SearchQueue, 'registry'>
}

/** Redis remembers how far the store had come. Said once: from then on it remembers what there is. */
export async function warnOfOlderStore({ store, queue, log }: Known & { readonly log: Logger }): Promise<void> {
  const missing = (await queue.registry.latestCall()) - (await store.calls.latest())
  if (missing <= 0) return
  log.warn(
    { event: 'store.rollback_detected', missing },
    `This store is older than what Redis remembers: ${missing} calls that were made are not in it, as after restoring an older backup. ` +
      'What they brought is bought again. To keep that from happening, pause now (`trackyard-batch pause`) and look for a newer copy: docs/backup.md.',
  )
}

/** @see warnOfOlderStore */
export async function rememberLatestCall({ store, queue }: Known): Promise<void> {
  await queue.registry.keepLatestCall(await store.calls.latest())
}

/** The last thing before the store is closed: nothing that is paid for ends with this process. */
export async function saveTheRest(
  parts: { readonly store: Pick<Store, 'id' | 'path' | 'trouble' | 'rescue'>; readonly log: Logger },
  unsaved: SearchProcessor['unsaved'],
): Promise<void> {
  const { store, log } = parts
  const isSafe = store.trouble() === null || (await store.rescue(true))
  const ends = unsaved(!isSafe)
  if (ends.length > 0) {
    const file = writeUnsaved(store, ends)
    log.warn(
      { event: 'answer.rescued', file, calls: ends.length },
      `the store did not keep the ends of ${ends.length} calls for sure; they are in ${file}, and the next worker saves them from there`,
    )
  }
  const trouble = store.trouble()
  if (trouble !== null) log.error({ event: 'store.lost' }, trouble.cause)
}

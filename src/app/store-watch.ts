import type { Logger } from '../domain/logger.js'
import { type UnsavedEnd, writeUnsaved } from '../search/unsaved.js'
import type { Store } from '../store/store.js'
import type { Chore } from './chores.js'

/**
 * In every process that keeps the store open: logs when it is lost and when it is back, and saves what only
 * this process still has of it. That nothing is begun meanwhile is the store's own doing, at once.
 */
const LOOK_EVERY_MS = 1000

export function storeChore(store: Pick<Store, 'trouble' | 'rescue'>, log: Logger): Chore {
  let said: string | null = null
  return {
    name: 'look whether the store is in its place',
    everyMs: LOOK_EVERY_MS,
    run: async () => {
      if (store.trouble() !== null) await store.rescue(false)
      const cause = store.trouble()?.cause ?? null
      if (cause !== null && cause !== said) log.error({ event: 'store.lost' }, cause)
      if (cause === null && said !== null)
        log.info({ event: 'store.found' }, 'the store is in its place again; calls go on')
      said = cause
    },
  }
}

/** The last thing before the store is closed: nothing that is paid for ends with this process. */
export async function saveTheRest(
  parts: { readonly store: Pick<Store, 'id' | 'path' | 'trouble' | 'rescue'>; readonly log: Logger },
  unsaved: readonly UnsavedEnd[],
): Promise<void> {
  const { store, log } = parts
  if (unsaved.length > 0) {
    const file = writeUnsaved(store, unsaved)
    log.warn(
      { event: 'answers.unsaved', file, calls: unsaved.length },
      `the store did not take the ends of ${unsaved.length} calls; they are in ${file}, and the next worker saves them from there`,
    )
  }
  if (store.trouble() === null) return
  await store.rescue(true)
  const trouble = store.trouble()
  if (trouble !== null) log.error({ event: 'store.lost' }, trouble.cause)
}

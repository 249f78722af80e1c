import type { Logger } from '../domain/logger.js'
import type { MaintenanceTask } from '../maintenance/scheduler.js'
import type { SearchProcessor } from '../processing/process-search.js'
import { writeUnsaved } from '../processing/unsaved.js'
import type { SearchQueue } from '../queue/search-queue.js'
import type { Store } from '../store/store.js'
import type { Cleanup } from './cleanup.js'

/**
 * Runs in every process that keeps the store open. Logs when the file is lost and when it is back,
 * and copies what only this process still has open. The store itself refuses new calls meanwhile.
 * Ends the process when the store was copied elsewhere.
 */

const CHECK_EVERY_MS = 1000

/**
 * A worker makes the copy within this time. After it, no worker is running and the board makes it.
 */
export const WORKERS_COPY_WITHIN_MS = 10_000

/** @param rescuesAfterMs copy the lost store this long after the loss */
export function storeCheck(
  store: Pick<Store, 'writeFailure' | 'rescue' | 'refuseIfMoved'>,
  log: Logger,
  rescuesAfterMs: number,
): MaintenanceTask {
  let logged: string | null = null
  return {
    name: 'check the store',
    everyMs: CHECK_EVERY_MS,
    run: async () => {
      const since = store.writeFailure()?.since
      if (since !== undefined && Date.now() - since >= rescuesAfterMs) await store.rescue(false)
      const cause = store.writeFailure()?.cause ?? null
      if (cause !== null && cause !== logged) log.error({ event: 'store.lost' }, cause)
      if (cause === null && logged !== null) log.info({ event: 'store.found' }, 'the store is back; calls resume')
      logged = cause
      await store.refuseIfMoved()
    },
  }
}

/**
 * Redis keeps the number of the latest call. Warns once of a store that is older, also while workers run: its server
 * may fail over to a replica that lagged behind.
 */
export async function rememberLatestCall(parts: {
  readonly store: Pick<Store, 'calls'>
  readonly queue: Pick<SearchQueue, 'registry'>
  readonly log: Logger
}): Promise<void> {
  const { registry } = parts.queue
  // In this order: what Redis knows was in the store before.
  const known = await registry.latestCall()
  const latest = await parts.store.calls.latest()
  const missing = known - latest
  if (missing > 0)
    parts.log.warn(
      { event: 'store.rollback_detected', missing },
      `This store is older than what Redis remembers: ${missing} calls are missing from it, as after restoring an old backup, or a failover to a replica that lagged behind. ` +
        'Their searches will be bought again. To prevent that, pause now (`trackyard-batch pause`) and look for a newer copy: docs/backup.md.',
    )
  await registry.keepLatestCall(latest)
}

interface SaveParts {
  readonly store: Pick<Store, 'id' | 'path' | 'writeFailure' | 'rescue'>
  readonly log: Logger
  readonly unsaved: SearchProcessor['unsaved']
}

/**
 * Before the store is closed: no paid answer may be lost with this process. What is added to `cleanup`
 * later runs earlier, and must not wait without a limit.
 * @returns whether the process must go on, because that is still to be done
 */
export function saveAtEnd(parts: SaveParts, cleanup: Cleanup): () => boolean {
  let isSaved = false
  cleanup.add(() =>
    saveUnsaved(parts).finally(() => {
      isSaved = true
    }),
  )
  return () => !isSaved
}

async function saveUnsaved({ store, log, unsaved }: SaveParts): Promise<void> {
  const isSafe = store.writeFailure() === null || (await store.rescue(true))
  const ends = unsaved(!isSafe)
  if (ends.length > 0) {
    const file = writeUnsaved(store, ends)
    log.warn(
      { event: 'answer.rescued', file, calls: ends.length },
      `${ends.length} calls may not be saved in the store; they are in ${file}, and the next worker saves them from there`,
    )
  }
  const failure = store.writeFailure()
  if (failure !== null) log.error({ event: 'store.lost' }, failure.cause)
}

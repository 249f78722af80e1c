import type { Logger } from '../domain/logger.js'
import { jobIdOf, type SearchRef } from '../domain/search-id.js'
import type { SearchQueue } from '../queue/search-queue.js'
import type { Store } from '../store/store.js'

/**
 * What somebody removed from Redis by hand (or Redis forgot) is put back. Counting is cheap and done
 * each time; only when the store believes in more jobs than Redis has are the ids compared.
 *
 * A job that has just been completed is no trap: its verdict was committed before, so it is not
 * `queued` any more; `putBack` is guarded by the round all the same. Ones queued in the last seconds
 * are left out, because their marking may run ahead of what we read.
 */
const SETTLED_MS = 5000
const PAGE = 1000

export interface ReconcileParts {
  readonly store: Pick<Store, 'feed'>
  readonly queue: Pick<SearchQueue, 'searches'>
  readonly log: Logger
  readonly now: () => number
}

/** Returns how many searches were put back. */
export async function reconcile(parts: ReconcileParts): Promise<number> {
  const queued = await parts.store.feed.queued()
  const believed = queued.high + queued.normal + queued.low
  const counts = await parts.queue.searches.counts()
  if (believed <= counts.waiting + counts.active + counts.delayed + counts.failed) return 0
  let putBack = 0
  let after: number | null = 0
  while (after !== null) {
    const page: { refs: readonly SearchRef[]; next: number | null } = await parts.store.feed.queuedRefs(
      parts.now() - SETTLED_MS,
      after,
      PAGE,
    )
    putBack += await putBackMissing(parts, page.refs)
    after = page.next
  }
  if (putBack > 0) parts.log.warn({ putBack }, 'jobs had vanished from Redis; their searches are put back')
  return putBack
}

async function putBackMissing(parts: ReconcileParts, refs: readonly SearchRef[]): Promise<number> {
  if (refs.length === 0) return 0
  const present = await parts.queue.searches.present(refs)
  const missing = refs.filter((ref) => !present.has(jobIdOf(ref)))
  return missing.length === 0 ? 0 : parts.store.feed.putBack(missing)
}

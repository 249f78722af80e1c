import type { Logger } from '../domain/logger.js'
import { jobIdOf, type SearchRef } from '../domain/search-id.js'
import type { QueueCounts, SearchQueue } from '../queue/search-queue.js'
import type { Store } from '../store/store.js'

/**
 * Redis may lose some jobs (somebody removed them by hand) or come back older than it was: from a dump, or with the
 * end of its log cut off. Then it lacks what was queued since, and holds what has been answered since; each of those
 * would take the start of a call from the pace, for nothing, and in the counts they stand in for the missing ones.
 * What would never make a call is taken out, and what is missing is put back.
 *
 * Looking is cheap and done each time. Ids are compared, both ways, only where something disagrees: the store believes in
 * more jobs than Redis has, or in far fewer, or one of the next would make no call. Old ones further down cost
 * nothing until they come near the head, where they are seen.
 *
 * A job that has just been completed is no trap: its verdict was committed before, so it is not
 * `queued` any more; `putBack` is guarded by the round all the same. Ones queued in the last seconds
 * are left out, because their marking may run ahead of what we read. What is taken out would never have made a call: a
 * search that becomes due again does so in a new round.
 */
const SETTLED_MS = 5000
const PAGE = 1000

export interface ReconcileParts {
  readonly store: Pick<Store, 'feed'>
  readonly queue: Pick<SearchQueue, 'searches'>
  readonly log: Logger
  readonly now: () => number
}

/** Returns how many searches were put back, and how many jobs taken out. */
export async function reconcile(
  parts: ReconcileParts,
): Promise<{ readonly putBack: number; readonly removed: number }> {
  if (!(await disagrees(parts))) return { putBack: 0, removed: 0 }
  const removed = await removeSettled(parts)
  const putBack = await putBackMissing(parts)
  if (removed > 0)
    parts.log.warn(
      { event: 'queue.settled_jobs_removed', removed, repeats: true },
      'Redis held jobs of searches that are settled; they are taken out',
    )
  if (putBack > 0)
    parts.log.warn(
      { event: 'queue.jobs_restored', putBack, repeats: true },
      'jobs had vanished from Redis; their searches are put back',
    )
  return { putBack, removed }
}

async function disagrees({ store, queue }: ReconcileParts): Promise<boolean> {
  const queued = await store.feed.queued()
  const believed = queued.high + queued.normal + queued.low
  const counts = await queue.searches.counts()
  // A page more may be the feeder's, which adds first and marks then.
  if (believed > inAll(counts) || believed + PAGE < counts.waiting + counts.delayed) return true
  const next = await queue.searches.pending(PAGE)
  return (await store.feed.settledAmong(next)).length > 0
}

function inAll(counts: QueueCounts): number {
  return counts.waiting + counts.active + counts.delayed + counts.failed
}

async function removeSettled({ store, queue }: ReconcileParts): Promise<number> {
  const standing = await queue.searches.pending()
  const settled: SearchRef[] = []
  for (let from = 0; from < standing.length; from += PAGE)
    settled.push(...(await store.feed.settledAmong(standing.slice(from, from + PAGE))))
  if (settled.length === 0) return 0
  // One that got its verdict between the two looks has left the line by itself, or is about to.
  const stillStanding = new Set((await queue.searches.pending()).map(jobIdOf))
  return (await queue.searches.remove(settled.filter((ref) => stillStanding.has(jobIdOf(ref))))).size
}

async function putBackMissing(parts: ReconcileParts): Promise<number> {
  let putBack = 0
  let after: number | null = 0
  while (after !== null) {
    const page: { refs: readonly SearchRef[]; next: number | null } = await parts.store.feed.queuedRefs(
      parts.now() - SETTLED_MS,
      after,
      PAGE,
    )
    if (page.refs.length > 0) {
      const present = await parts.queue.searches.present(page.refs)
      putBack += await parts.store.feed.requeue(page.refs.filter((ref) => !present.has(jobIdOf(ref))))
    }
    after = page.next
  }
  return putBack
}

import type { Logger } from '../domain/logger.js'
import { jobIdOf, type SearchRef } from '../domain/search-id.js'
import type { QueueCounts, SearchQueue } from '../queue/search-queue.js'
import type { Store } from '../store/store.js'

/**
 * Makes the jobs in Redis match the store. Redis may lose some jobs (somebody removed them by hand) or restart from
 * older data: a dump, or an append-only file without its end. Then it lacks jobs that were queued since, and holds
 * jobs of searches that are settled. A settled job would use a start of the rate limit for nothing, and hides a
 * missing job from the counts. Settled jobs are removed, and missing ones are requeued.
 *
 * The check is cheap and runs each time. Ids are compared only when the check finds a difference: the store counts
 * more jobs than Redis has, or far fewer, or one of the next jobs is settled. Settled jobs further back cost
 * nothing until they come near the head, where the check finds them.
 *
 * A job that was completed a moment ago is not requeued: its outcome was committed before, so its search is not
 * `queued` any more, and `requeue` checks the round besides. Searches queued in the last seconds are skipped,
 * because they may have been marked after Redis was read. Removing a settled job is safe: a search that becomes due
 * again gets a new round, and so a new job id.
 */
const SETTLED_MS = 5000
const PAGE = 1000

export interface ReconcileParts {
  readonly store: Pick<Store, 'feed'>
  readonly queue: Pick<SearchQueue, 'searches'>
  readonly log: Logger
  readonly now: () => number
}

/** Returns how many searches were requeued (`putBack`), and how many jobs were removed. */
export async function reconcile(
  parts: ReconcileParts,
): Promise<{ readonly putBack: number; readonly removed: number }> {
  if (!(await disagrees(parts))) return { putBack: 0, removed: 0 }
  const removed = await removeSettled(parts)
  const putBack = await requeueMissing(parts)
  if (removed > 0)
    parts.log.warn(
      { event: 'queue.settled_jobs_removed', removed, repeats: true },
      'removed jobs of settled searches from Redis',
    )
  if (putBack > 0)
    parts.log.warn(
      { event: 'queue.jobs_restored', putBack, repeats: true },
      'jobs were missing from Redis; their searches are requeued',
    )
  return { putBack, removed }
}

async function disagrees({ store, queue }: ReconcileParts): Promise<boolean> {
  const queued = await store.feed.queued()
  const expected = queued.high + queued.normal + queued.low
  const counts = await queue.searches.counts()
  // Up to a page more may be the feeder's, which adds jobs before it marks them.
  if (expected > inAll(counts) || expected + PAGE < counts.waiting + counts.delayed) return true
  const next = await queue.searches.pending(PAGE)
  return (await store.feed.settledAmong(next)).length > 0
}

function inAll(counts: QueueCounts): number {
  return counts.waiting + counts.active + counts.delayed + counts.failed
}

async function removeSettled({ store, queue }: ReconcileParts): Promise<number> {
  const pending = await queue.searches.pending()
  const settled: SearchRef[] = []
  for (let from = 0; from < pending.length; from += PAGE)
    settled.push(...(await store.feed.settledAmong(pending.slice(from, from + PAGE))))
  if (settled.length === 0) return 0
  // A job whose search settled between the two reads has left the queue by itself, or is about to.
  const stillPending = new Set((await queue.searches.pending()).map(jobIdOf))
  return (await queue.searches.remove(settled.filter((ref) => stillPending.has(jobIdOf(ref))))).size
}

async function requeueMissing(parts: ReconcileParts): Promise<number> {
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

import type { Logger } from '../domain/logger.js'
import { jobIdOf, type SearchRef } from '../domain/search-id.js'
import type { SearchQueue } from '../queue/search-queue.js'
import type { JobScope } from '../queue/unreadable-jobs.js'
import type { Store } from '../store/store.js'

/**
 * Makes the jobs in Redis match the store. Redis may lose some jobs (somebody removed them by hand) or restart from
 * older data: a dump, or an append-only file without its end. Then it lacks jobs that were queued since, and holds
 * jobs of searches that are settled. A settled job would count against the rate limit without a call, and it hides a
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

const RECENTLY_QUEUED_MS = 5000
const PAGE = 1000

export interface ReconcileParts {
  readonly store: Pick<Store, 'feed'>
  readonly queue: Pick<SearchQueue, 'searches'>
  readonly log: Logger
  readonly now: () => number
}

/** Returns how many searches were requeued (`requeued`), and how many jobs were removed. */
export async function reconcile(
  parts: ReconcileParts,
): Promise<{ readonly requeued: number; readonly removed: number }> {
  if (!(await disagrees(parts))) return { requeued: 0, removed: 0 }
  const removed = await removeSettled(parts)
  const requeued = await requeueMissing(parts)
  if (removed > 0)
    parts.log.warn(
      { event: 'queue.settled_jobs_removed', removed, repeats: true },
      'removed jobs of settled searches from Redis',
    )
  if (requeued > 0)
    parts.log.warn(
      { event: 'queue.jobs_restored', requeued, repeats: true },
      'jobs were missing from Redis; their searches are requeued',
    )
  return { requeued, removed }
}

async function disagrees({ store, queue }: ReconcileParts): Promise<boolean> {
  const queued = await store.feed.queued()
  const expected = queued.high + queued.normal + queued.low
  const { waiting, active, delayed, failed } = await queue.searches.counts()
  // Up to a page more may be the feeder's, which adds jobs before it marks them.
  if (expected > waiting + active + delayed + failed || expected + PAGE < waiting + delayed) return true
  const next = await queue.searches.pending(PAGE)
  return (await store.feed.settledAmong(next)).length > 0
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

async function requeueMissing({ store, queue, now }: ReconcileParts): Promise<number> {
  let requeued = 0
  for await (const refs of pages((after) => store.feed.queuedRefs(now() - RECENTLY_QUEUED_MS, after, PAGE))) {
    const present = await queue.searches.present(refs)
    requeued += await store.feed.requeue(refs.filter((ref) => !present.has(jobIdOf(ref))))
  }
  return requeued
}

async function* pages(
  read: (after: number) => Promise<{ readonly refs: readonly SearchRef[]; readonly next: number | null }>,
): AsyncGenerator<readonly SearchRef[]> {
  for (let after: number | null = 0; after !== null; ) {
    const page: Awaited<ReturnType<typeof read>> = await read(after)
    if (page.refs.length > 0) yield page.refs
    after = page.next
  }
}

/**
 * Drops jobs with unreadable contents and requeues their searches in a new round. Nothing is lost: the store has all
 * that was in them.
 *
 * Order of effects: the job is dropped, then its search is requeued. A crash between the two looks like a job that
 * somebody removed: `reconcile` requeues the search, and the sync adds a dead letter again.
 *
 * @returns how many jobs were dropped
 */
export async function dropUnreadable(
  parts: Pick<ReconcileParts, 'store' | 'log'> & {
    readonly queue: Pick<SearchQueue, 'searches' | 'deadLetters'>
  },
  where: JobScope,
): Promise<number> {
  const { refs, dropped } = await parts.queue.searches.dropUnreadable(where)
  const requeued = await parts.store.feed.requeue(refs)
  const jobs = dropped + (await parts.queue.deadLetters.dropUnreadable(where))
  if (jobs > 0) {
    parts.log.warn(
      { event: 'job.unreadable_dropped', jobs, requeued, repeats: true },
      'dropped unreadable jobs from Redis; their searches are requeued',
    )
  }
  return jobs
}

/**
 * Removes jobs from Redis that no batch wants any more: a batch was cancelled, or its cap is used up. The claim would
 * refuse them, but each one counts against the rate limit: a cancelled window of 20,000 would delay the next batch
 * for an hour at 300 calls a minute.
 *
 * Order of effects: the job is removed, then its search is requeued in a new round. A crash between the
 * two looks like a job that somebody removed, and `reconcile` repairs it.
 *
 * @returns how many searches were removed from Redis
 */
export async function withdrawUnwantedJobs(parts: Pick<ReconcileParts, 'store' | 'queue' | 'log'>): Promise<number> {
  const { feed } = parts.store
  let withdrawn = 0
  for await (const refs of pages((after) => feed.unwantedRefs(after, PAGE))) {
    const gone = await parts.queue.searches.remove(refs)
    withdrawn += await feed.requeue(refs.filter((ref) => gone.has(jobIdOf(ref))))
  }
  if (withdrawn > 0)
    parts.log.info(
      { event: 'queue.jobs_withdrawn', withdrawn },
      'removed searches that no batch wants any more from the queue',
    )
  return withdrawn
}

import type { Logger } from '../domain/logger.js'
import { jobIdOf, type SearchRef } from '../domain/search-id.js'
import type { SearchQueue } from '../queue/search-queue.js'
import type { Store } from '../store/store.js'

/**
 * Removes jobs from Redis that no batch wants any more: a batch was cancelled, or its cap is used up. The claim would
 * refuse them, but each one uses a start of the rate limit: a cancelled window of 20,000 would delay the next batch
 * for an hour at 300 calls a minute.
 *
 * Order of effects: the job is removed, then its search is requeued in a new round. A crash between the
 * two looks like a job that somebody removed, and `reconcile` repairs it.
 */
const PAGE = 1000

export interface WithdrawParts {
  readonly store: Pick<Store, 'feed'>
  readonly queue: Pick<SearchQueue, 'searches'>
  readonly log: Logger
}

/** Returns how many searches were removed from Redis. */
export async function withdraw(parts: WithdrawParts): Promise<number> {
  let withdrawn = 0
  let after: number | null = 0
  while (after !== null) {
    const page: { refs: readonly SearchRef[]; next: number | null } = await parts.store.feed.unwantedRefs(after, PAGE)
    if (page.refs.length > 0) {
      const gone = await parts.queue.searches.remove(page.refs)
      withdrawn += await parts.store.feed.requeue(page.refs.filter((ref) => gone.has(jobIdOf(ref))))
    }
    after = page.next
  }
  if (withdrawn > 0)
    parts.log.info(
      { event: 'queue.jobs_withdrawn', withdrawn },
      'removed searches that no batch wants any more from the queue',
    )
  return withdrawn
}

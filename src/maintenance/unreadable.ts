import type { Logger } from '../domain/logger.js'
import type { Looked, SearchQueue } from '../queue/search-queue.js'
import type { Store } from '../store/store.js'

/**
 * Drops jobs with unreadable contents and requeues their searches in a new round. Nothing is lost: the store has all
 * that was in them.
 *
 * Order of effects: the job is dropped, then its search is requeued. A crash between the two looks like a job that
 * somebody removed: `reconcile` requeues the search, and the sweep adds a dead letter again.
 */
export interface UnreadableParts {
  readonly store: Pick<Store, 'feed'>
  readonly queue: Pick<SearchQueue, 'searches' | 'deadLetters'>
  readonly log: Logger
}

/** Returns how many jobs were dropped. */
export async function dropUnreadable(parts: UnreadableParts, where: Looked): Promise<number> {
  const { refs, dropped } = await parts.queue.searches.dropUnreadable(where)
  const putBack = await parts.store.feed.requeue(refs)
  const jobs = dropped + (await parts.queue.deadLetters.dropUnreadable(where))
  if (jobs > 0) {
    parts.log.warn(
      { event: 'job.unreadable_dropped', jobs, putBack, repeats: true },
      'dropped unreadable jobs from Redis; their searches are requeued',
    )
  }
  return jobs
}

import type { Logger } from '../domain/logger.js'
import type { Looked, SearchQueue } from '../queue/search-queue.js'
import type { Store } from '../store/store.js'

/**
 * Jobs whose contents cannot be read are dropped, and their searches wait again, in a new round: the store knows all
 * that was in them.
 *
 * Order of effects: the job goes first, then its search waits. A crash between the two looks like a job that
 * somebody removed, and is put right by `reconcile`; a dead letter is parked again by the sweep.
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
      'Redis held jobs that cannot be read; they are dropped, and their searches put back',
    )
  }
  return jobs
}

import type { Logger } from '../domain/logger.js'
import { DEFAULT_LIMIT } from '../domain/request.js'
import type { Priority } from '../domain/states.js'
import { PRIORITIES } from '../domain/states.js'
import type { SearchJobData, SearchQueue } from '../queue/search-queue.js'
import type { DueSearch, Store } from '../store/store.js'

/**
 * The only way into Redis. Redis holds a window of what is due, not the catalog: up to 20,000 searches,
 * so that it needs some 20 MB whatever the size of the catalog and every repair is bounded. A higher
 * priority always gets in: it only counts what is at least as urgent. What is in already, for a less urgent batch,
 * is moved forward by being added again.
 *
 * Order of effects: the jobs are added, then marked as queued. A crash between the two leaves them
 * marked as waiting; the next round adds the same ids again, which BullMQ swallows, and marks them.
 */
export const WINDOW = 20_000
const CHUNK = 1000

export interface FeedParts {
  readonly store: Pick<Store, 'feed'>
  readonly queue: Pick<SearchQueue, 'searches'>
  readonly log: Logger
  readonly now: () => number
  readonly signal?: AbortSignal
}

/**
 * Fills the window. Returns how many searches were added or moved forward; a full window or nothing due is 0.
 * @throws the signal's reason, between two chunks
 */
export async function feed(parts: FeedParts): Promise<number> {
  let added = 0
  for (;;) {
    parts.signal?.throwIfAborted()
    const due = await parts.store.feed.due(CHUNK, roomPerPriority(await parts.store.feed.queued()))
    if (due.length === 0) break
    await parts.queue.searches.add(due.map(toJob))
    const marked = await parts.store.feed.markQueued(due, parts.now())
    added += marked
    // Nothing marked: others do the same work at this moment, or these are being answered already.
    if (marked === 0) break
  }
  if (added > 0) parts.log.debug({ event: 'queue.fed', added }, 'searches queued')
  return added
}

/** How many more may be queued for each priority; less urgent ones do not take room from more urgent ones. */
function roomPerPriority(queued: Readonly<Record<Priority, number>>): Record<Priority, number> {
  const room: Record<Priority, number> = { high: 0, normal: 0, low: 0 }
  let asUrgent = 0
  for (const priority of PRIORITIES) {
    asUrgent += queued[priority]
    room[priority] = Math.max(0, WINDOW - asUrgent)
  }
  return room
}

function toJob(due: DueSearch): { ref: DueSearch['ref']; priority: Priority; data: SearchJobData } {
  const { query, limit, offset, filters } = due.request
  return {
    ref: due.ref,
    priority: due.priority,
    data: {
      query,
      ...(limit === DEFAULT_LIMIT ? {} : { limit }),
      ...(offset === 0 ? {} : { offset }),
      ...(filters === undefined ? {} : { filters: JSON.stringify(filters) }),
      batch: due.batchName,
      ...(due.itemKey === null ? {} : { item: due.itemKey }),
    },
  }
}

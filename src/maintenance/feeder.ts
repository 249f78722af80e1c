import type { Logger } from '../domain/logger.js'
import { DEFAULT_LIMIT } from '../domain/request.js'
import type { Priority } from '../domain/states.js'
import { PRIORITIES } from '../domain/states.js'
import type { SearchJobData } from '../queue/search-jobs.js'
import type { SearchQueue } from '../queue/search-queue.js'
import type { DueSearch, Store } from '../store/store.js'

/**
 * The only code that puts searches into Redis. Redis holds a window of what is due, up to 20,000 searches, so that
 * it needs some 15 MB whatever the size of the catalog, and every repair is bounded. A full window does not keep a
 * higher priority out: only searches of the same or a higher priority count against it. Adding a search that is in
 * Redis for a less urgent batch moves it forward.
 *
 * Order of effects: the jobs are added, then their searches are marked as queued. A crash between the two leaves
 * them marked as waiting. The next run adds the same ids again, which BullMQ ignores, and marks them.
 */

export const WINDOW_SIZE = 20_000
const CHUNK = 1000

export interface FeedParts {
  readonly store: Pick<Store, 'feed'>
  readonly queue: Pick<SearchQueue, 'searches'>
  readonly log: Logger
  readonly now: () => number
  readonly signal?: AbortSignal
}

/**
 * Fills the window. Returns how many searches were added or moved forward; 0 when it is full or nothing is due.
 * @throws the signal's reason, between chunks
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
    // Nothing was marked: another worker feeds the same searches, or they are answered already.
    if (marked === 0) break
  }
  if (added > 0) parts.log.debug({ event: 'queue.fed', added }, 'searches queued')
  return added
}

/** How many more may be queued for each priority. Less urgent searches take no room from more urgent ones. */
function roomPerPriority(queued: Readonly<Record<Priority, number>>): Record<Priority, number> {
  const room: Record<Priority, number> = { high: 0, normal: 0, low: 0 }
  let asUrgent = 0
  for (const priority of PRIORITIES) {
    asUrgent += queued[priority]
    room[priority] = Math.max(0, WINDOW_SIZE - asUrgent)
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
      ...(due.itemKey === null ? {} : { row: due.itemKey }),
    },
  }
}

import type { SearchQueue } from '../queue/search-queue.js'
import type { Store } from '../store/store.js'

export interface SamplerParts {
  readonly store: Pick<Store, 'activity' | 'timeline' | 'pauses'>
  readonly queue: Pick<SearchQueue, 'throttle'>
  readonly now: () => number
}

const DAY_MS = 24 * 60 * 60 * 1000
/** A batch that ended a month ago still has its charts. 1,440 small rows a day. */
const KEEP_SAMPLES_MS = 35 * DAY_MS
const KEEP_TIMELINE_MS = 90 * DAY_MS

/**
 * Samples what the charts show. Drops samples and timeline entries that are too old to be shown.
 *
 * Several times a minute, so that a short stop is seen; a minute is one row.
 */
export async function takeSample({ store, queue, now }: SamplerParts): Promise<void> {
  const at = now()
  const [rate, pauses, rateLimitedUntil] = await Promise.all([
    queue.throttle.rate(),
    store.pauses.list(),
    store.pauses.rateLimitedUntil(at),
  ])
  const stopped = pauses[0]?.cause ?? (rateLimitedUntil === null ? null : 'rate_limit')
  await store.activity.sample(at, { limitPerMinute: rate?.callsPerMinute ?? null, stopped }, KEEP_SAMPLES_MS)
  await store.timeline.prune(at - KEEP_TIMELINE_MS)
}

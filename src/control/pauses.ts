import type { Logger } from '../domain/logger.js'
import type { PauseCause } from '../domain/pause-cause.js'
import type { SearchQueue } from '../queue/search-queue.js'
import type { Store } from '../store/store.js'

/**
 * The store's pause rows are authoritative; BullMQ's flag follows them. The row is written first, then
 * the flag. A crash between the two leaves a row without its flag. Every claim reads the rows, so no
 * call is made, and `syncThrottle` sets the flag within seconds.
 */
export interface PauseParts {
  readonly store: Pick<Store, 'pauses'>
  readonly queue: Pick<SearchQueue, 'throttle'>
  readonly log: Logger
  readonly now: () => number
}

/** Returns false when the queue is already paused for that cause. */
export async function pause(parts: PauseParts, cause: PauseCause, detail: string): Promise<boolean> {
  const added = await parts.store.pauses.add({ cause, since: parts.now(), detail })
  await parts.queue.throttle.pause()
  if (added) parts.log.warn({ event: 'queue.paused', cause, detail }, 'paused')
  return added
}

/**
 * Maintenance task: makes Redis match the store, that is BullMQ's pause flag, the probe's concurrency
 * of 1, and the rate limit. Another process may pause or resume at the same time. So Redis is read
 * first and the rows last, and the rows are read again after a resume. A queue that was paused by
 * mistake is resumed on the next run.
 */
export async function syncThrottle(parts: PauseParts): Promise<void> {
  const { throttle } = parts.queue
  const { pauses } = parts.store
  const [paused, isSerial] = await Promise.all([throttle.isPaused(), throttle.isSerial()])
  const [rows, probing] = await Promise.all([pauses.list(), pauses.probing()])
  if (probing && !isSerial) await throttle.startSerial()
  if (!probing && isSerial) await stopSerial(parts)
  if (rows.length > 0 && !paused) await throttle.pause()
  if (rows.length === 0 && paused) await reopen(parts)
  await syncRateLimit(parts)
}

/**
 * Makes the rate limit in Redis match the store. A rate limit is written to the store first, so one that
 * only Redis has is stale: it was lifted while Redis was down, or the wall clock was set back. Clearing it
 * also clears a rate limit that began in between, so that one is set again.
 */
export async function syncRateLimit(parts: PauseParts): Promise<void> {
  const { pauses } = parts.store
  const { throttle } = parts.queue
  const { tooLongMs, wasStale } = await throttle.syncRateLimit(await pauses.rateLimitedUntil(parts.now()))
  if (tooLongMs === 0) return
  const begun = await pauses.rateLimitedUntil(parts.now())
  if (begun !== null) await throttle.rateLimit(begun)
  if (wasStale)
    parts.log.warn(
      { event: 'rate_limit.corrected', tooLongMs, repeats: true },
      "Redis rate limit outlasted the store's; corrected",
    )
  else
    parts.log.debug(
      { event: 'rate_limit.window_shortened', tooLongMs },
      'rate limit raised; shortened the window of the slower rate',
    )
}

/** Ends concurrency 1, then reads the store again: another process may have started a probe. */
async function stopSerial(parts: PauseParts): Promise<void> {
  await parts.queue.throttle.stopSerial()
  if (await parts.store.pauses.probing()) await parts.queue.throttle.startSerial()
}

/** Resumes the queue, then reads the rows again: another process may have paused it for another cause. */
export async function reopen(parts: PauseParts): Promise<void> {
  await parts.queue.throttle.resume()
  if ((await parts.store.pauses.list()).length > 0) await parts.queue.throttle.pause()
}

import type { Logger } from '../domain/logger.js'
import type { PauseCause } from '../domain/pause-cause.js'
import type { SearchQueue } from '../queue/search-queue.js'
import type { Store } from '../store/store.js'

/**
 * Rows are the truth, BullMQ's flag follows: the row first, then the flag. A crash between the two
 * leaves a row without its flag; every claim reads the rows, so no call is made, and `followRows`
 * sets the flag within seconds.
 */
export interface PauseParts {
  readonly store: Pick<Store, 'pauses'>
  readonly queue: Pick<SearchQueue, 'throttle'>
  readonly log: Logger
  readonly now: () => number
}

/** False when that cause stands already. */
export async function pause(parts: PauseParts, cause: PauseCause, detail: string): Promise<boolean> {
  const added = await parts.store.pauses.add({ cause, since: parts.now(), detail })
  await parts.queue.throttle.pause()
  if (added) parts.log.warn({ event: 'queue.paused', cause, detail }, 'paused')
  return added
}

/**
 * The chore: makes BullMQ's flag (the probe's narrow gate, the hold) say what the rows say. The gate is read first and the
 * rows last, and what was opened is looked at again, because somebody may pause or resume meanwhile; a
 * gate that was closed by mistake is opened at the next look.
 */
export async function syncThrottle(parts: PauseParts): Promise<void> {
  const { throttle } = parts.queue
  const { pauses } = parts.store
  const [paused, isSerial] = await Promise.all([throttle.isPaused(), throttle.isSerial()])
  const [rows, probing] = await Promise.all([pauses.list(), pauses.probing()])
  if (probing && !isSerial) await throttle.startSerial()
  if (!probing && isSerial) await widen(parts)
  if (rows.length > 0 && !paused) await throttle.pause()
  if (rows.length === 0 && paused) await reopen(parts)
  await syncRateLimit(parts)
}

/**
 * Redis' hold is the record's. A hold is written to the record first, so one that only Redis has is stale: lifted while
 * Redis was away, or of a wall clock that has been set back. One that began meanwhile was cut with it, and is set again.
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
      'Redis would have kept the fleet waiting for longer than the record says; set right',
    )
  else parts.log.debug({ event: 'rate_limit.window_shortened', tooLongMs }, 'the window of a slower pace is cut short')
}

/** Lets all slots run, then looks again: a probe may have begun meanwhile. */
async function widen(parts: PauseParts): Promise<void> {
  await parts.queue.throttle.stopSerial()
  if (await parts.store.pauses.probing()) await parts.queue.throttle.startSerial()
}

/** Lets the queue run, then reads the rows again: somebody may have paused it for another cause meanwhile. */
export async function reopen(parts: PauseParts): Promise<void> {
  await parts.queue.throttle.resume()
  if ((await parts.store.pauses.list()).length > 0) await parts.queue.throttle.pause()
}

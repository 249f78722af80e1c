import type { Logger } from '../domain/logger.js'
import { PAUSE_CAUSES, type PauseCause } from '../domain/pause.js'
import type { Throttle } from '../queue/throttle.js'
import type { Lifted, Store } from '../store/store.js'

/**
 * The store's pause rows are authoritative; BullMQ's flag follows them. The row is written first, then
 * the flag. A crash between the two leaves a row without its flag. Every claim reads the rows, so no
 * call is made, and `syncThrottle` sets the flag within seconds.
 */

/** What pausing and resuming by hand need of it. */
export type PauseThrottle = Pick<
  Throttle,
  'pause' | 'resume' | 'startSerial' | 'rateLimit' | 'liftRateLimit' | 'syncRateLimit'
>

export interface PauseParts {
  readonly store: Pick<Store, 'pauses'>
  readonly queue: { readonly throttle: PauseThrottle }
  readonly log: Logger
  readonly now: () => number
}

interface SyncParts extends PauseParts {
  readonly queue: { readonly throttle: Throttle }
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
export async function syncThrottle(parts: SyncParts): Promise<void> {
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
async function stopSerial(parts: SyncParts): Promise<void> {
  await parts.queue.throttle.stopSerial()
  if (await parts.store.pauses.probing()) await parts.queue.throttle.startSerial()
}

/** Resumes the queue, then reads the rows again: another process may have paused it for another cause. */
async function reopen(parts: PauseParts): Promise<void> {
  await parts.queue.throttle.resume()
  if ((await parts.store.pauses.list()).length > 0) await parts.queue.throttle.pause()
}

export interface Resumed extends Lifted {
  /** The causes that were active and are now lifted. */
  readonly lifted: readonly PauseCause[]
  /** Causes that are still active. */
  readonly stillActive: readonly PauseCause[]
}

export interface ResumedByHand extends Resumed {
  /** Calls start outside the active hours until then; null: `now` was not asked for, or it is not outside them. */
  readonly hoursOverriddenUntil: number | null
  /** Which rate limit was lifted: one the API asked for, or a stale one that only Redis had. */
  readonly rateLimit: 'of the API' | 'in Redis only' | null
}

/**
 * The `resume` command lifts every pause except that of the active hours, and also the API's own rate limit: a
 * daily limit may have been raised since the 429. If not, the probe's one call gets the same 429 again, for free.
 * @param now lets calls start outside the active hours too, until the hours end the next time
 */
export async function resumeByHand(parts: PauseParts, now = false): Promise<ResumedByHand> {
  const isInStore = await parts.store.pauses.liftRateLimit(parts.now())
  if (isInStore) {
    await parts.queue.throttle.startSerial()
    parts.log.info({ event: 'rate_limit.lifted' }, 'rate limit lifted by an operator')
  }
  const isInRedis = await parts.queue.throttle.liftRateLimit()
  await syncRateLimit(parts)
  const rateLimit = isInStore ? 'of the API' : isInRedis ? 'in Redis only' : null
  const hoursOverriddenUntil = now ? await parts.store.pauses.overrideHours(parts.now()) : null
  const causes = PAUSE_CAUSES.filter((cause) => cause !== 'outside_hours' || hoursOverriddenUntil !== null)
  return { ...(await resume(parts, causes)), rateLimit, hoursOverriddenUntil }
}

/** A pause by hand or for the active hours has nothing to do with the API, so its end needs no probe. */
function isProbed(cause: PauseCause): boolean {
  return cause !== 'operator' && cause !== 'outside_hours'
}

/**
 * Lifts causes of a pause. Unless `isProbed` is false for all of them, the resume is a probe: one call at a
 * time until one succeeds, then all workers. An account that is still empty then costs one refused call
 * instead of one per slot.
 */
export async function resume(parts: PauseParts, causes: readonly PauseCause[]): Promise<Resumed> {
  const { pauses } = parts.store
  const lifted: PauseCause[] = []
  let retried = 0
  for (const cause of causes) {
    const end = await pauses.lift(cause, isProbed(cause), parts.now())
    if (end === null) continue
    lifted.push(cause)
    retried += end.retried
  }
  if (await pauses.probing()) await parts.queue.throttle.startSerial()
  const stillActive = (await pauses.list()).map((row) => row.cause)
  if (stillActive.length === 0) await reopen(parts)
  if (lifted.length > 0)
    parts.log.info(
      { event: stillActive.length === 0 ? 'queue.resumed' : 'queue.still_paused', lifted, stillActive, retried },
      stillActive.length === 0 ? 'resumed' : 'still paused',
    )
  return { lifted, retried, stillActive }
}

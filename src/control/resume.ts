import { PAUSE_CAUSES, type PauseCause } from '../domain/pause-cause.js'
import type { Store } from '../store/store.js'
import { type PauseParts, reopen, syncRateLimit } from './pauses.js'

/**
 * Lifts causes of a pause. After any cause but an operator's pause, the resume is a probe: one call at a
 * time until one succeeds, then all workers. An account that is still empty then costs one refused call
 * instead of one per slot.
 */
export interface ResumeParts extends PauseParts {
  readonly store: Pick<Store, 'pauses' | 'deadLetters'>
}

export interface Resumed {
  /** The causes that were active and are now lifted. */
  readonly lifted: readonly PauseCause[]
  /** Searches refused as unauthorized that are now retried. */
  readonly retried: number
  /** Causes that are still active. */
  readonly standing: readonly PauseCause[]
}

export interface ResumedByHand extends Resumed {
  /** Which rate limit was lifted: one the API asked for, or a stale one that only Redis had. */
  readonly hold: 'of the API' | 'in Redis only' | null
}

/**
 * The `resume` command lifts everything that stops calls, the API's own rate limit included: a daily limit
 * may have been raised since the 429. If not, the probe's one call gets the same 429 again, for free.
 */
export async function resumeByHand(parts: ResumeParts): Promise<ResumedByHand> {
  const isInStore = await parts.store.pauses.liftRateLimit(parts.now())
  if (isInStore) {
    await parts.queue.throttle.startSerial()
    parts.log.info({ event: 'rate_limit.lifted' }, 'rate limit lifted by an operator')
  }
  const isInRedis = await parts.queue.throttle.liftRateLimit()
  await syncRateLimit(parts)
  const hold = isInStore ? 'of the API' : isInRedis ? 'in Redis only' : null
  return { ...(await resume(parts)), hold }
}

/** @param causes the causes to lift; all by default */
export async function resume(parts: ResumeParts, causes: readonly PauseCause[] = PAUSE_CAUSES): Promise<Resumed> {
  const { pauses, deadLetters } = parts.store
  const lifted: PauseCause[] = []
  for (const cause of causes) {
    if (await pauses.lift(cause, cause !== 'operator')) lifted.push(cause)
  }
  const retried = lifted.includes('unauthorized') ? await deadLetters.retryUnauthorized() : 0
  if (await pauses.probing()) await parts.queue.throttle.startSerial()
  const standing = (await pauses.list()).map((row) => row.cause)
  if (standing.length === 0) await reopen(parts)
  if (lifted.length > 0)
    parts.log.info(
      { event: standing.length === 0 ? 'queue.resumed' : 'queue.still_paused', lifted, standing, retried },
      standing.length === 0 ? 'resumed' : 'still paused',
    )
  return { lifted, retried, standing }
}

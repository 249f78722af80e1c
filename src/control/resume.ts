import { PAUSE_CAUSES, type PauseCause } from '../domain/pause-cause.js'
import type { Store } from '../store/store.js'
import { type PauseParts, reopen, syncRateLimit } from './pauses.js'

/**
 * Lifting causes. Except after an operator's pause the resume is a probe: one call at a time until one
 * succeeds, then the fleet. An empty account then costs one refused call instead of one per slot.
 */
export interface ResumeParts extends PauseParts {
  readonly store: Pick<Store, 'pauses' | 'deadLetters'>
}

export interface Resumed {
  /** The causes that stood and were lifted. */
  readonly lifted: readonly PauseCause[]
  /** Searches refused as unauthorized that are due again. */
  readonly retried: number
  /** Causes that still stand. */
  readonly standing: readonly PauseCause[]
}

export interface ResumedByHand extends Resumed {
  /** Who was waited for and is not any more: the API had asked to wait, or only Redis still knew of a wait. */
  readonly hold: 'of the API' | 'in Redis only' | null
}

/**
 * Somebody says `resume` and means everything that stands in the way, the API's own hold included: a day's limit may have been
 * raised since it was told. If not, the one call of the probe is told so again, for free.
 */
export async function resumeByHand(parts: ResumeParts): Promise<ResumedByHand> {
  const isOnRecord = await parts.store.pauses.liftRateLimit(parts.now())
  if (isOnRecord) {
    await parts.queue.throttle.startSerial()
    parts.log.info({ event: 'rate_limit.lifted' }, 'the hold is lifted by hand')
  }
  const isInRedis = await parts.queue.throttle.liftRateLimit()
  await syncRateLimit(parts)
  const hold = isOnRecord ? 'of the API' : isInRedis ? 'in Redis only' : null
  return { ...(await resume(parts)), hold }
}

/** @param causes what to lift; all of them by default. */
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

import type { Clock } from '../domain/clock.js'
import type { Logger } from '../domain/logger.js'
import type { Outcome } from '../domain/outcome.js'
import type { PauseCause } from '../domain/pause-cause.js'
import type { Store } from '../store/store.js'

/**
 * Stops a run that only makes dead letters. 25 searches refused in a row (counted by search, not by
 * attempt) pause for a person to look; as many failed calls in a row (5xx, timeouts) are an outage and
 * pause until it is over, so that no search uses up its attempts on a server that is down.
 */
export const REFUSED_IN_A_ROW = 25
export const FAILED_IN_A_ROW = 25

export interface Breaker {
  /** After a call was recorded. Returns the cause when it has just written a pause. */
  afterCall(outcome: Outcome): Promise<PauseCause | null>
}

export function openBreaker(parts: {
  readonly store: Pick<Store, 'calls' | 'pauses'>
  readonly clock: Clock
  readonly log: Logger
}): Breaker {
  async function trip(cause: PauseCause, detail: string): Promise<PauseCause | null> {
    const added = await parts.store.pauses.add({ cause, since: parts.clock.now(), detail })
    if (added) parts.log.warn({ cause, detail }, 'paused by the breaker')
    return cause
  }

  return {
    async afterCall(outcome) {
      if (outcome.kind !== 'refused' && outcome.kind !== 'transient') return null
      const streak = await parts.store.calls.streak()
      if (outcome.kind === 'refused' && streak.refusedSearches >= REFUSED_IN_A_ROW) {
        const { status, error } = outcome.refusal
        return trip(
          'failing',
          `${streak.refusedSearches} refused in a row, the last with ${status}${error === null ? '' : ` ${error}`}`,
        )
      }
      if (outcome.kind === 'transient' && streak.transientCalls >= FAILED_IN_A_ROW) {
        return trip('outage', `${streak.transientCalls} calls failed in a row, the last with: ${outcome.reason}`)
      }
      return null
    },
  }
}

import type { Clock } from '../domain/clock.js'
import type { Logger } from '../domain/logger.js'
import type { Outcome } from '../domain/outcome.js'
import type { PauseCause } from '../domain/pause-cause.js'
import type { Store } from '../store/store.js'

/**
 * Stops a run that only makes dead letters. 25 searches in a row that were refused or whose answers cannot be
 * read (counted by search, not by attempt) pause for a person to look. As many failed calls in a row (5xx, timeouts)
 * are an outage, and pause until it is over, so that no search uses up its attempts on a server that
 * is down. While the fleet probes, three are enough: one alone may be a search that fails whatever
 * the server's health.
 */
export const REFUSED_IN_A_ROW = 25
export const FAILED_IN_A_ROW = 25
export const FAILED_PROBES_IN_A_ROW = 3

export interface Breaker {
  /**
   * After a call was recorded. Returns the cause when the fleet is to be closed for one; its row is written.
   * @param probing the call was made while calls went one at a time
   */
  afterCall(outcome: Outcome, probing: boolean): Promise<PauseCause | null>
}

export function openBreaker(parts: {
  readonly store: Pick<Store, 'calls' | 'pauses'>
  readonly clock: Clock
  readonly log: Logger
}): Breaker {
  async function trip(cause: PauseCause, detail: string): Promise<PauseCause> {
    const added = await parts.store.pauses.add({ cause, since: parts.clock.now(), detail })
    if (added) parts.log.warn({ cause, detail }, 'paused by the breaker')
    return cause
  }

  return {
    async afterCall(outcome, probing) {
      const last = badNews(outcome)
      if (last === null) return null
      const { refusedSearches, transientCalls } = await parts.store.calls.streak()
      if (outcome.kind !== 'transient') {
        if (refusedSearches < REFUSED_IN_A_ROW) return null
        return trip('failing', `${refusedSearches} searches in a row became dead letters, the last with ${last}`)
      }
      if (transientCalls < (probing ? FAILED_PROBES_IN_A_ROW : FAILED_IN_A_ROW)) return null
      return trip('outage', `${transientCalls} calls failed in a row, the last with: ${last}`)
    },
  }
}

/** What counts towards a pause, in words; null for what does not. */
function badNews(outcome: Outcome): string | null {
  switch (outcome.kind) {
    case 'refused':
      return [outcome.refusal.status, outcome.refusal.error].filter((part) => part !== null).join(' ')
    case 'unreadable':
      return 'an answer that cannot be read'
    case 'transient':
      return outcome.reason
    case 'answered':
    case 'rate_limited':
    case 'out_of_credits':
    // A refused key pauses at once.
    case 'unauthorized':
      return null
    default:
      return outcome satisfies never
  }
}

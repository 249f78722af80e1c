import type { Clock } from '../domain/clock.js'
import type { Logger } from '../domain/logger.js'
import type { Outcome } from '../domain/outcome.js'
import type { PauseCause } from '../domain/pause-cause.js'
import { type RefusalHistory, wordsOf } from '../domain/refusals.js'
import type { Store } from '../store/store.js'

/**
 * Stops a run that only makes dead letters. 25 searches in a row that were refused or whose answers cannot be
 * read pause for a person to look. As many whose calls failed (5xx, timeouts) are an outage, and pause until
 * it is over, so that no search uses up its attempts on a server that is down. While the fleet probes, three are enough.
 * As many that were answered 402 while GET /me shows credits pause as an empty account does: it may be the truth.
 * All are counted by search, not by attempt: a few that fail whatever the server's health are no outage.
 *
 * When others fail too, what failed comes back behind the others: so an outage is seen by its first few calls even at five
 * a minute, the probes of a long one go round all that waits, and nobody's attempts are used up meanwhile.
 */
export const REFUSED_IN_A_ROW = 25
export const FAILED_IN_A_ROW = 25
export const FAILED_PROBES_IN_A_ROW = 3

export interface Breaker {
  /**
   * After a call was recorded that has not paused the queue by itself.
   * @param probing the call was made while calls went one at a time
   * @param history where others were answered between two refusals of this search, the account is not empty
   */
  afterCall(outcome: Outcome, probing: boolean, history: RefusalHistory): Promise<Alarm>
}

export interface Alarm {
  /** The cause when the fleet is to be closed for one; its row is written. */
  readonly tripped: PauseCause | null
  /** Whether a search whose call has just failed comes back behind the others. */
  readonly behind: boolean
}

export const ALL_WELL: Alarm = { tripped: null, behind: false }

export function openBreaker(parts: {
  readonly store: Pick<Store, 'calls' | 'pauses'>
  readonly clock: Clock
  readonly log: Logger
}): Breaker {
  async function trip(cause: PauseCause, detail: string): Promise<Alarm> {
    const added = await parts.store.pauses.add({ cause, since: parts.clock.now(), detail })
    if (added) parts.log.warn({ event: 'queue.paused', cause, detail }, 'paused by the breaker')
    return { tripped: cause, behind: true }
  }

  return {
    async afterCall(outcome, probing, history) {
      const last = badNews(outcome)
      if (last === null || (outcome.kind === 'out_of_credits' && history.othersAnswered > 0)) return ALL_WELL
      const { refusedSearches, failedSearches, unpaidSearches } = await parts.store.calls.streak()
      if (outcome.kind === 'out_of_credits') {
        if (unpaidSearches < (probing ? FAILED_PROBES_IN_A_ROW : REFUSED_IN_A_ROW)) return ALL_WELL
        return trip('no_credits', `${last}; ${unpaidSearches} searches in a row, although GET /me shows credits`)
      }
      if (outcome.kind !== 'transient') {
        if (refusedSearches < REFUSED_IN_A_ROW) return ALL_WELL
        return trip('failing', `${refusedSearches} searches in a row became dead letters, the last with ${last}`)
      }
      if (failedSearches < (probing ? FAILED_PROBES_IN_A_ROW : FAILED_IN_A_ROW))
        return { tripped: null, behind: probing || failedSearches > 1 }
      return trip('outage', `calls of ${failedSearches} searches in a row failed, the last with: ${last}`)
    },
  }
}

/** What counts towards a pause, in words; null for what does not. */
function badNews(outcome: Outcome): string | null {
  switch (outcome.kind) {
    case 'out_of_credits':
      return wordsOf(outcome.refusal) ?? `HTTP ${outcome.refusal.status}`
    case 'unauthorized':
    case 'refused':
      return [outcome.refusal.status, outcome.refusal.error].filter((part) => part !== null).join(' ')
    case 'unreadable':
      return 'an answer that cannot be read'
    case 'transient':
      return outcome.reason
    case 'answered':
    case 'rate_limited':
      return null
    default:
      return outcome satisfies never
  }
}

import type { Clock } from '../domain/clock.js'
import type { Aftermath } from '../domain/decision.js'
import type { Logger } from '../domain/logger.js'
import type { Outcome } from '../domain/outcome.js'
import type { PauseCause } from '../domain/pause.js'
import { type RefusalHistory, wordsOf } from '../domain/refusals.js'
import type { Store } from '../store/store.js'

/**
 * Stops a run that only makes dead letters. Three kinds of failure pause the queue:
 * - 25 searches in a row were refused, or their answers cannot be read: cause `failing`, a person must look.
 * - 25 in a row failed (5xx, timeouts): cause `outage`, until it is over. No search then uses up its
 *   attempts on a server that is down. During a probe, 3 are enough.
 * - 25 in a row (3 during a probe) got a 402 while GET /me shows credits: cause `no_credits`, because the
 *   402 may be the truth.
 * Searches are counted, not attempts: a few that always fail are no outage.
 *
 * When other searches fail too, a failed search goes behind the waiting ones. An outage is then detected
 * by its first few calls, even at five a minute. The probes of a long outage use a different search each
 * time, so no search uses up its attempts.
 */

const REFUSED_IN_A_ROW = 25
const FAILED_IN_A_ROW = 25
const FAILED_PROBES_IN_A_ROW = 3

/** The row of the cause that tripped is already in the store. */
type BreakerResult = Omit<Aftermath, 'endedProbe'>

export const NOT_TRIPPED: BreakerResult = { tripped: null, othersFail: false }

/**
 * Called after each recorded call that has not paused the queue itself.
 * @param call.probing it was made during a probe
 * @param call.history if others were answered between two refusals of this search, the account is not empty
 */
export async function checkBreaker(
  parts: { readonly store: Pick<Store, 'calls' | 'pauses'>; readonly clock: Clock; readonly log: Logger },
  call: { readonly outcome: Outcome; readonly probing: boolean; readonly history: RefusalHistory },
): Promise<BreakerResult> {
  const { outcome, probing, history } = call
  const last = failureInWords(outcome)
  if (last === null || (outcome.kind === 'out_of_credits' && history.othersAnswered > 0)) return NOT_TRIPPED
  const { refusedSearches, failedSearches, unpaidSearches } = await parts.store.calls.streak()
  if (outcome.kind === 'out_of_credits') {
    if (unpaidSearches < (probing ? FAILED_PROBES_IN_A_ROW : REFUSED_IN_A_ROW)) return NOT_TRIPPED
    return trip('no_credits', `${last}; ${unpaidSearches} searches in a row, although GET /me shows credits`)
  }
  if (outcome.kind !== 'transient') {
    if (refusedSearches < REFUSED_IN_A_ROW) return NOT_TRIPPED
    return trip('failing', `${refusedSearches} searches in a row became dead letters, the last with ${last}`)
  }
  if (failedSearches < (probing ? FAILED_PROBES_IN_A_ROW : FAILED_IN_A_ROW))
    return { tripped: null, othersFail: probing || failedSearches > 1 }
  return trip('outage', `calls of ${failedSearches} searches in a row failed, the last with: ${last}`)

  async function trip(cause: PauseCause, detail: string): Promise<BreakerResult> {
    const added = await parts.store.pauses.add({ cause, since: parts.clock.now(), detail })
    if (added) parts.log.warn({ event: 'queue.paused', cause, detail }, 'paused by the circuit breaker')
    return { tripped: cause, othersFail: true }
  }
}

/** Describes a failure that counts towards a pause; null for an outcome that does not. */
function failureInWords(outcome: Outcome): string | null {
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

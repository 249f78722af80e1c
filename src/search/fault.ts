import type { Logger } from '../domain/logger.js'
import { type CallResult, isCharged, ledgerOutcome, NOTHING_SAID } from '../domain/outcome.js'

/**
 * A call that our own code failed over, before or after it went out. It may be paid for, and asking again may end the
 * same way: without an attempt used, one answer that we choke on would be bought again and again. So it
 * counts as a failure of unknown outcome, and the attempts end it.
 */
export function callThatFailedHere(error: unknown, log: Logger): CallResult {
  log.error({ err: error }, 'a call was left by a bug; it counts as a failed attempt that may be paid for')
  return failure(error, true)
}

/**
 * As little as can be recorded of a call where its true end cannot be, by a bug. A body that may be paid for is kept, as one
 * that cannot be read; what brought none is a failed attempt.
 */
export function saveThatFailedHere(error: unknown, { outcome, facts }: CallResult): CallResult {
  return outcome.kind === 'answered' || outcome.kind === 'unreadable'
    ? {
        outcome: { kind: 'unreadable', status: facts.status ?? 200, body: outcome.body, problem: inWords(error) },
        facts: NOTHING_SAID,
      }
    : failure(error, isCharged(ledgerOutcome(outcome)))
}

function failure(error: unknown, maybePaid: boolean): CallResult {
  return {
    outcome: { kind: 'transient', reason: inWords(error), status: null, refusal: null, retryAfterMs: null, maybePaid },
    facts: NOTHING_SAID,
  }
}

function inWords(error: unknown): string {
  return `a fault in this program (${error instanceof Error ? error.name : typeof error}); its log says more`
}

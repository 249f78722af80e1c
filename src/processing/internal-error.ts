import type { Logger } from '../domain/logger.js'
import { type CallResult, isCharged, ledgerOutcome, NOTHING_SAID } from '../domain/outcome.js'

/**
 * An exception of ours during a call, before or after it went out. The call may have been paid for, and it uses an
 * attempt: otherwise an answer that always breaks us would be bought again for ever.
 */
export function internalCallError(error: unknown, log: Logger): CallResult {
  log.error(
    { event: 'call.internal_error', err: error, repeats: true },
    'a call was left by a bug; it counts as a failed attempt that may be paid for',
  )
  return failure(error, true)
}

/**
 * As little as can be recorded of a call where its true end cannot be, by a bug. A body that may be paid for is kept, as one
 * that cannot be read; what brought none is a failed attempt.
 */
export function internalSaveError(error: unknown, { outcome, facts }: CallResult): CallResult {
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

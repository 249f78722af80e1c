import type { Logger } from '../domain/logger.js'
import { type CallResult, isCharged, ledgerOutcome, NOTHING_SAID } from '../domain/outcome.js'

/**
 * A bug of ours threw during a call, before or after the request was sent. The call may be paid for. It
 * uses an attempt: otherwise an answer that always triggers the bug would be bought again forever.
 */
export function internalCallError(error: unknown, log: Logger): CallResult {
  log.error(
    { event: 'call.internal_error', err: error, repeats: true },
    'a bug ended a call; it counts as a failed attempt that may be paid for',
  )
  return failure(error, true)
}

/**
 * The minimum to record for a call whose outcome cannot be recorded because of a bug. A body that may be
 * paid for is kept as unreadable. A call without one is a failed attempt.
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
  return `internal error in trackyard-batch (${error instanceof Error ? error.name : typeof error}); see the log`
}

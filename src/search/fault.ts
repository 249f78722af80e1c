import type { Logger } from '../domain/logger.js'
import { type CallResult, NOTHING_SAID } from '../domain/outcome.js'

/**
 * A call that our own code failed over, before or after it went out. It may be paid for, and asking again may end the
 * same way: without an attempt used, one answer that we choke on would be bought again and again. So it
 * counts as a failure of unknown outcome, and the attempts end it.
 */
export function callThatFailedHere(error: unknown, log: Logger): CallResult {
  log.error({ err: error }, 'a call was left by a bug; it counts as a failed attempt that may be paid for')
  return {
    outcome: {
      kind: 'transient',
      reason: `a fault in this program (${error instanceof Error ? error.name : typeof error}); its log says more`,
      status: null,
      retryAfterMs: null,
      maybePaid: true,
    },
    facts: NOTHING_SAID,
  }
}

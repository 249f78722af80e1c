import { ACCOUNT_UNKNOWN, type AccountCheck } from '../domain/decision.js'
import type { Outcome } from '../domain/outcome.js'
import { isNearlyTooOften, type RefusalHistory } from '../domain/refusals.js'

/**
 * Calls GET /me after a refusal that would concern every search. It is free and tells whether that is true.
 * Refusals that arrive together share one check. This process makes no new call until the check is done:
 * if the account is empty, each new call would be refused as well.
 */
export interface AccountChecks {
  /** Never rejects. */
  after(outcome: Outcome, history: RefusalHistory): Promise<AccountCheck>
  /** Resolves when no check is running. */
  settled(): Promise<void>
}

export function openAccountChecks(check: () => Promise<AccountCheck>): AccountChecks {
  let running: Promise<AccountCheck> | null = null

  function checkOnce(): Promise<AccountCheck> {
    running ??= check()
      .catch(() => ACCOUNT_UNKNOWN)
      .finally(() => {
        running = null
      })
    return running
  }

  return {
    after: async (outcome, history) => (isWorthChecking(outcome, history) ? checkOnce() : ACCOUNT_UNKNOWN),
    async settled() {
      while (running !== null) await running
    },
  }
}

function isWorthChecking(outcome: Outcome, history: RefusalHistory): boolean {
  switch (outcome.kind) {
    case 'unauthorized':
    case 'out_of_credits':
      return true
    case 'rate_limited':
      return isNearlyTooOften(history)
    case 'answered':
    case 'unreadable':
    case 'refused':
    case 'transient':
      return false
    default:
      return outcome satisfies never
  }
}

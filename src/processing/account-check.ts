import { ACCOUNT_UNKNOWN, type AccountCheck } from '../domain/decision.js'
import type { Outcome } from '../domain/outcome.js'
import { isNearlyTooOften, type RefusalHistory } from '../domain/refusals.js'

/**
 * GET /me after a refusal that would concern every search: it is free and says whether that is true. Refusals that come
 * together share one question, and this process makes no new call until it is answered: if the account is empty, each
 * would be refused as well.
 */
export interface AccountChecks {
  /** Never rejects. */
  after(outcome: Outcome, history: RefusalHistory): Promise<AccountCheck>
  /** Resolves when no question is open. */
  settled(): Promise<void>
}

export function openAccountChecks(ask: () => Promise<AccountCheck>): AccountChecks {
  let asking: Promise<AccountCheck> | null = null

  function askOnce(): Promise<AccountCheck> {
    asking ??= ask()
      .catch(() => ACCOUNT_UNKNOWN)
      .finally(() => {
        asking = null
      })
    return asking
  }

  return {
    after: async (outcome, history) => (isWorthAsking(outcome, history) ? askOnce() : ACCOUNT_UNKNOWN),
    async settled() {
      while (asking !== null) await asking
    },
  }
}

function isWorthAsking(outcome: Outcome, history: RefusalHistory): boolean {
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

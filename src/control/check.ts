import { ACCOUNT_UNKNOWN, type AccountCheck } from '../domain/decision.js'
import type { Logger } from '../domain/logger.js'
import { withTimeout } from '../domain/with-timeout.js'
import { refreshAccount } from './account.js'

/** The call stays open during this check. A longer check could make it look lost. */
const LONGEST_MS = 4000

/** Checks a refusal with GET /me. Any failure returns `ACCOUNT_UNKNOWN`; it never throws. */
export async function checkAccount(
  parts: Parameters<typeof refreshAccount>[0] & { readonly log: Logger },
  creditReserve: number,
): Promise<AccountCheck> {
  try {
    const result = await withTimeout(
      LONGEST_MS,
      refreshAccount(parts),
      `GET /me did not answer within ${LONGEST_MS / 1000} s`,
    )
    if (result.kind !== 'ok') {
      parts.log.warn(
        { event: 'api.account_check_failed', ...result },
        'could not check the account with GET /me after a refusal',
      )
      return ACCOUNT_UNKNOWN
    }
    const { creditsRemaining, remainingToday } = result.account
    return {
      isGood: true,
      isOutOfToday: remainingToday === 0,
      balance: creditsRemaining,
      spendable: Math.max(0, (creditsRemaining ?? 0) - creditReserve),
    }
  } catch (error) {
    parts.log.warn(
      { event: 'api.account_check_failed', err: error },
      'could not check the account with GET /me after a refusal',
    )
    return ACCOUNT_UNKNOWN
  }
}

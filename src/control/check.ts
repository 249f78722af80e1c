import { ACCOUNT_UNKNOWN, type AccountCheck } from '../domain/decision.js'
import type { Logger } from '../domain/logger.js'
import { withTimeout } from '../domain/with-timeout.js'
import { refreshAccount } from './account.js'

/** A call waits for its end meanwhile, and must not be taken for lost. */
const LONGEST_MS = 4000

/** What GET /me says about a refusal; whatever goes wrong, the answer is that nobody knows. */
export async function checkAccount(
  parts: Parameters<typeof refreshAccount>[0] & { readonly log: Logger },
  creditReserve: number,
): Promise<AccountCheck> {
  try {
    const said = await withTimeout(
      LONGEST_MS,
      refreshAccount(parts),
      `GET /me gave no answer within ${LONGEST_MS / 1000} s`,
    )
    if (said.kind !== 'ok') {
      parts.log.warn(
        { event: 'api.account_check_failed', ...said },
        'GET /me cannot vouch for the account after a refusal',
      )
      return ACCOUNT_UNKNOWN
    }
    const { creditsRemaining, remainingToday } = said.account
    return {
      isGood: true,
      isOutOfToday: remainingToday === 0,
      balance: creditsRemaining,
      spendable: Math.max(0, (creditsRemaining ?? 0) - creditReserve),
    }
  } catch (error) {
    parts.log.warn(
      { event: 'api.account_check_failed', err: error },
      'GET /me cannot vouch for the account after a refusal',
    )
    return ACCOUNT_UNKNOWN
  }
}

import type { Api } from '../api/client.js'
import { spendableCredits } from '../domain/credits.js'
import { ACCOUNT_UNKNOWN, type AccountCheck } from '../domain/decision.js'
import type { Logger } from '../domain/logger.js'
import { withTimeout } from '../domain/with-timeout.js'
import { accountAt } from '../store/account.js'
import type { Account, Store } from '../store/store.js'

/** What this API reported last; unknown if that was another one. */
export async function knownAccount(store: Pick<Store, 'account'>, apiUrl: string): Promise<Account> {
  return accountAt(await store.account.get(), apiUrl)
}

/** The result of GET /me, kept in the store. It is free (API document) but counts against the rate limit. */
export type Refreshed =
  | { readonly kind: 'ok'; readonly account: Account }
  | { readonly kind: 'unauthorized' }
  | { readonly kind: 'failed'; readonly reason: string }

/**
 * Fields that GET /me omits keep their stored value: a limit learned from headers is not lost. The
 * daily limits are the exception. A missing daily limit means "unlimited", so it is cleared.
 */
export async function refreshAccount(parts: {
  readonly store: Pick<Store, 'account'>
  readonly api: Pick<Api, 'me' | 'url'>
  readonly now: () => number
}): Promise<Refreshed> {
  const { account } = parts.store
  const asked = await account.get()
  const answer = await parts.api.me()
  if (answer.kind !== 'ok') return answer
  const updated = await account.update(
    {
      apiUrl: parts.api.url,
      limitPerDay: answer.limitPerDay,
      remainingToday: answer.remainingToday,
      ...withoutNulls({
        tier: answer.tier,
        creditsRemaining: answer.creditsRemaining,
        monthlyAllowance: answer.monthlyAllowance,
        limitPerMinute: answer.limitPerMinute,
      }),
    },
    parts.now(),
    asked,
  )
  return { kind: 'ok', account: updated }
}

function withoutNulls(account: Partial<Account>): Partial<Account> {
  return Object.fromEntries(Object.entries(account).filter(([, value]) => value !== null))
}

/** The call stays open during this check. A longer check could make it look lost. */
const CHECK_TIMEOUT_MS = 4000

/** Checks a refusal with GET /me. Any failure returns `ACCOUNT_UNKNOWN`; it never throws. */
export async function checkAccount(
  parts: Parameters<typeof refreshAccount>[0] & { readonly log: Logger },
  creditReserve: number,
): Promise<AccountCheck> {
  function unknown(why: object): AccountCheck {
    parts.log.warn(
      { event: 'api.account_check_failed', ...why },
      'could not check the account with GET /me after a refusal',
    )
    return ACCOUNT_UNKNOWN
  }
  try {
    const result = await withTimeout(
      CHECK_TIMEOUT_MS,
      refreshAccount(parts),
      `GET /me did not answer within ${CHECK_TIMEOUT_MS / 1000} s`,
    )
    if (result.kind !== 'ok') return unknown(result)
    const { creditsRemaining, remainingToday } = result.account
    return {
      isGood: true,
      isOutOfToday: remainingToday === 0,
      balance: creditsRemaining,
      spendable: spendableCredits(creditsRemaining ?? 0, creditReserve),
    }
  } catch (error) {
    return unknown({ err: error })
  }
}

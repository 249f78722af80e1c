import type { Api } from '../api/client.js'
import type { Account, Store } from '../store/store.js'

/** What GET /me said, kept in the store. Free of charge (API document), but it counts as one of the key's requests. */
export type Refreshed =
  | { readonly kind: 'ok'; readonly account: Account }
  | { readonly kind: 'unauthorized' }
  | { readonly kind: 'failed'; readonly reason: string }

/**
 * What the API does not say stays as it was: a limit that was learned from headers is not forgotten because GET /me
 * is silent about it. Only the day's limit is taken away by silence, for "unlimited" has no number.
 *
 * An answer that was heard while GET /me was under way may tell of later calls; of the two balances the lower
 * is the later one then.
 */
export async function refreshAccount(parts: {
  readonly store: Pick<Store, 'account'>
  readonly api: Pick<Api, 'me'>
  readonly now: () => number
}): Promise<Refreshed> {
  const { account } = parts.store
  const before = await account.get()
  const answer = await parts.api.me()
  if (answer.kind !== 'ok') return answer
  const meanwhile = await account.get()
  const balance = meanwhile.heardAt === before.heardAt ? answer.creditsRemaining : lower(answer, meanwhile)
  await account.update(
    {
      limitPerDay: answer.limitPerDay,
      remainingToday: answer.remainingToday,
      ...said({
        tier: answer.tier,
        creditsRemaining: balance,
        monthlyAllowance: answer.monthlyAllowance,
        limitPerMinute: answer.limitPerMinute,
      }),
    },
    parts.now(),
  )
  return { kind: 'ok', account: await account.get() }
}

function lower(a: Pick<Account, 'creditsRemaining'>, b: Pick<Account, 'creditsRemaining'>): number | null {
  if (a.creditsRemaining === null || b.creditsRemaining === null) return a.creditsRemaining
  return Math.min(a.creditsRemaining, b.creditsRemaining)
}

function said(account: Partial<Account>): Partial<Account> {
  return Object.fromEntries(Object.entries(account).filter(([, value]) => value !== null))
}

import type { Api } from '../api/client.js'
import type { Account, Store } from '../store/store.js'

/** What GET /me said, kept in the store. Free of charge (API document), but it counts as one of the key's requests. */
export type Refreshed =
  | { readonly kind: 'ok'; readonly account: Account }
  | { readonly kind: 'unauthorized' }
  | { readonly kind: 'failed'; readonly reason: string }

export async function refreshAccount(parts: {
  readonly store: Pick<Store, 'account'>
  readonly api: Pick<Api, 'me'>
  readonly now: () => number
}): Promise<Refreshed> {
  const answer = await parts.api.me()
  if (answer.kind !== 'ok') return answer
  const { tier, creditsRemaining, monthlyAllowance, limitPerMinute, limitPerDay } = answer
  await parts.store.account.update(
    { tier, creditsRemaining, monthlyAllowance, limitPerMinute, limitPerDay },
    parts.now(),
  )
  return { kind: 'ok', account: await parts.store.account.get() }
}

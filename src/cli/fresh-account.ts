import { refreshAccount } from '../control/account.js'
import type { Account } from '../store/store.js'
import type { Session } from './lib/session.js'

/** The account for a plan: GET /me with a short timeout. A failure never fails the plan. */
export interface KnownAccount {
  readonly account: Account
  /** Why the account is the last known one, or unknown; null if it is fresh. */
  readonly trouble: string | null
}

const SHORT_MS = 3000

export async function freshAccount(session: Session): Promise<KnownAccount> {
  const known = await session.store.account.get()
  if (session.settings.apiKey === null) return { account: known, trouble: 'no API key is set' }
  const { openConfiguredApi } = await import('../app/parts.js')
  const { withCleanup } = await import('../app/cleanup.js')
  return withCleanup(async (cleanup) => {
    const requestTimeoutMs = Math.min(SHORT_MS, session.settings.requestTimeoutMs)
    const api = openConfiguredApi({ ...session.settings, requestTimeoutMs }, cleanup)
    const refreshed = await refreshAccount({ store: session.store, api, now: session.now })
    await cleanup.runAll()
    switch (refreshed.kind) {
      case 'ok':
        return { account: refreshed.account, trouble: null }
      case 'unauthorized':
        return { account: known, trouble: 'the API refused this key; check TRACKYARD_API_KEY' }
      case 'failed':
        return { account: known, trouble: `${asLastKnown(known)}GET /me failed: ${refreshed.reason}` }
      default:
        return refreshed satisfies never
    }
  })
}

function asLastKnown({ creditsRemaining }: Account): string {
  return creditsRemaining === null ? '' : 'last known; '
}

import { refreshAccount } from '../control/account.js'
import type { Account } from '../store/store.js'
import type { Session } from './session.js'

/** GET /me for a plan: short, and never in its way. */
export interface KnownAccount {
  readonly account: Account
  /** Why it is what the store last knew, or nothing; null when it is fresh. */
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
        return { account: known, trouble: 'the API does not accept this key; check TRACKYARD_API_KEY' }
      case 'failed':
        return { account: known, trouble: `${asLastKnown(known)}the API could not be asked: ${refreshed.reason}` }
      default:
        return refreshed satisfies never
    }
  })
}

function asLastKnown({ creditsRemaining }: Account): string {
  return creditsRemaining === null ? '' : 'as last known; '
}

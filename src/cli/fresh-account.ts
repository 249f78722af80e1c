import { refreshAccount } from '../account/refresh.js'
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
  const { openCaller } = await import('../app/parts.js')
  const { opening } = await import('../app/closers.js')
  return opening(async (closers) => {
    const requestTimeoutMs = Math.min(SHORT_MS, session.settings.requestTimeoutMs)
    const api = openCaller({ ...session.settings, requestTimeoutMs }, closers)
    const refreshed = await refreshAccount({ store: session.store, api, now: session.now })
    await closers.closeAll()
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

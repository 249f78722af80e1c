import { estimate } from '../batches/estimate.js'
import { filterDoubts } from '../catalog/filter-names.js'
import { isOurs } from '../catalog/our-columns.js'
import { knownPerMinute, LOWEST_TIER_PER_MINUTE } from '../control/rate-limit.js'
import type { Plan } from '../store/store.js'
import { freshAccount } from './fresh-account.js'
import type { PlanView } from './render/plan.js'
import type { Session } from './session.js'

/** What a loaded batch means in money and time, as far as store and API can say it now. */
export async function planView(
  session: Session,
  about: {
    readonly name: string
    readonly plan: Plan
    readonly caps: { readonly maxCredits: number | null; readonly first: number | null }
    /** Of the catalog; none where its rows bring their own names. */
    readonly columns: readonly string[]
    /** How the catalog was read, where that was no matter of course. */
    readonly notes: readonly string[]
    /** What in it may be meant otherwise. */
    readonly doubts: readonly string[]
    /** Of all its rows. */
    readonly filterNames: Iterable<string>
    readonly signal: AbortSignal
  },
): Promise<PlanView> {
  const { settings, store } = session
  const { account, trouble } = await freshAccount(session)
  about.signal.throwIfAborted()
  const { maxCredits, first } = about.caps
  const cap = maxCredits === null ? first : Math.min(maxCredits, first ?? maxCredits)
  const perMinute = await knownPerMinute(store, settings.rateLimit)
  const now = session.now()
  return {
    name: about.name,
    plan: about.plan,
    estimate: estimate({
      plan: about.plan,
      account,
      callsPerMinute: perMinute ?? LOWEST_TIER_PER_MINUTE,
      creditReserve: settings.creditReserve,
      cap,
      now,
    }),
    paceIsKnown: perMinute !== null,
    cap,
    creditReserve: settings.creditReserve,
    accountTrouble: trouble,
    replacedColumns: about.columns.filter(isOurs).map((column) => column.trim()),
    notes: about.notes,
    doubts: about.doubts,
    filterDoubts: filterDoubts(about.filterNames),
    pause: (await store.pauses.list())[0] ?? null,
    rateLimitedUntil: await store.pauses.rateLimitedUntil(now),
    now,
  }
}

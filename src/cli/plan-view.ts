import { estimate } from '../batches/estimate.js'
import { isOurs } from '../catalog/column-names.js'
import { filterDoubts } from '../catalog/filters.js'
import { knownPerMinute, LOWEST_TIER_PER_MINUTE } from '../control/rate-limit.js'
import type { Plan } from '../store/store.js'
import { freshAccount } from './fresh-account.js'
import type { Session } from './lib/session.js'
import type { PlanView } from './render/plan.js'

/** The cost and duration of a loaded batch, from what store and API know now. */
export async function planView(
  session: Session,
  about: {
    readonly name: string
    readonly plan: Plan
    readonly caps: { readonly maxCredits: number | null; readonly first: number | null }
    /** Columns of the catalog; empty if each row has names of its own (JSON Lines). */
    readonly columns: readonly string[]
    /** How the catalog was read, if that was not obvious. */
    readonly notes: readonly string[]
    /** What in the catalog may not be what the user means. */
    readonly doubts: readonly string[]
    /** Filter names of all rows. */
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
    isRateKnown: perMinute !== null,
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

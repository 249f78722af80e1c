import type { Logger } from '../domain/logger.js'
import type { SearchQueue } from '../queue/search-queue.js'
import type { Store } from '../store/store.js'

/**
 * One start is one call, so BullMQ's global rate limit paces the whole fleet. The limit is what the
 * operator set, else what the API last said (GET /me, X-RateLimit-Limit), else that of the lowest tier,
 * until the first header says more. It is always set: without one, BullMQ ignores a hold.
 */
export const LOWEST_TIER_PER_MINUTE = 5

/** Calls a minute that the fleet may make now. */
export async function allowedPerMinute(store: Pick<Store, 'account'>, setting: number | 'auto'): Promise<number> {
  return (await knownPerMinute(store, setting)) ?? LOWEST_TIER_PER_MINUTE
}

/** The same; null where it is only that of the lowest tier, because the API has not said more yet. */
export async function knownPerMinute(store: Pick<Store, 'account'>, setting: number | 'auto'): Promise<number | null> {
  return setting === 'auto' ? (await store.account.get()).limitPerMinute : setting
}

/** The least that is kept for us where others use the whole limit: work goes on, and a 429 says when it must not. */
const OUR_LEAST_SHARE = 0.1
/** The pace is not touched for less than this, as long as others are about. */
const WORTH_A_CHANGE = 0.05

/**
 * The chore: makes Redis's pace the allowed one, less what other programs use. Returns the pace when it changed.
 * @param others calls a minute that other programs on this key make
 */
export async function applyRateLimit(
  parts: {
    readonly store: Pick<Store, 'account'>
    readonly queue: Pick<SearchQueue, 'throttle'>
    readonly rateLimit: number | 'auto'
    readonly log: Logger
  },
  others = 0,
): Promise<number | null> {
  const allowed = await paceBeside(parts.store, parts.rateLimit, others)
  const before = (await parts.queue.throttle.rate())?.callsPerMinute ?? null
  if (before === allowed) return null
  if (before !== null && others > 0 && Math.abs(before - allowed) <= allowed * WORTH_A_CHANGE) return null
  await parts.queue.throttle.setRate(allowed)
  parts.log.info(
    others > 0
      ? { event: 'rate_limit.shared', callsPerMinute: allowed, before, others, repeats: true }
      : { event: 'rate_limit.changed', callsPerMinute: allowed, before },
    others > 0 ? 'another program uses this key: the pace leaves it its share' : 'pace set',
  )
  return allowed
}

async function paceBeside(store: Pick<Store, 'account'>, setting: number | 'auto', others: number): Promise<number> {
  const wanted = Math.max(1, await allowedPerMinute(store, setting))
  if (others === 0) return wanted
  const limit = (await store.account.get()).limitPerMinute ?? wanted
  return Math.max(1, Math.min(wanted, Math.floor(Math.max(limit - others, limit * OUR_LEAST_SHARE))))
}

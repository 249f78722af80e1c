import type { Logger } from '../domain/logger.js'
import type { SearchQueue } from '../queue/search-queue.js'
import type { Account, Store } from '../store/store.js'

/**
 * One job start is one call, so BullMQ's global rate limit governs all workers. The limit is the
 * operator's setting, else the API's last value (GET /me, X-RateLimit-Limit), else that of the lowest
 * tier until the first header arrives. It is always set: without one, BullMQ ignores "rate limited until".
 */

export const LOWEST_TIER_PER_MINUTE = 5

/** Calls a minute that all workers together may make now. */
export function allowedPerMinute({ limitPerMinute }: Account, setting: number | 'auto'): number {
  return setting === 'auto' ? (limitPerMinute ?? LOWEST_TIER_PER_MINUTE) : setting
}

/** The share we keep even where other clients use the whole limit. Calls continue, and a 429 stops them if needed. */
const OUR_LEAST_SHARE = 0.1
/** While other clients use the key, smaller changes than this are ignored. */
const WORTH_A_CHANGE = 0.05

/**
 * Maintenance task: sets Redis's rate limit to the allowed one, minus what other clients use.
 * @param others calls a minute that other clients of this key make
 * @returns the new rate limit when it changed, else null
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
  const allowed = limitBeside(await parts.store.account.get(), parts.rateLimit, others)
  const before = (await parts.queue.throttle.rate())?.callsPerMinute ?? null
  if (before === allowed) return null
  if (before !== null && others > 0 && Math.abs(before - allowed) <= allowed * WORTH_A_CHANGE) return null
  await parts.queue.throttle.setRate(allowed)
  parts.log.info(
    others > 0
      ? { event: 'rate_limit.shared', callsPerMinute: allowed, before, others, repeats: true }
      : { event: 'rate_limit.changed', callsPerMinute: allowed, before },
    others > 0 ? 'API key is in use by another client; adjusting the rate limit' : 'rate limit set',
  )
  return allowed
}

function limitBeside(account: Account, setting: number | 'auto', others: number): number {
  const wanted = Math.max(1, allowedPerMinute(account, setting))
  if (others === 0) return wanted
  const limit = account.limitPerMinute ?? wanted
  return Math.max(1, Math.min(wanted, Math.floor(Math.max(limit - others, limit * OUR_LEAST_SHARE))))
}

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
  if (setting !== 'auto') return setting
  return (await store.account.get()).limitPerMinute ?? LOWEST_TIER_PER_MINUTE
}

/** The chore: makes Redis's pace the allowed one. Returns the pace when it changed. */
export async function followLimit(parts: {
  readonly store: Pick<Store, 'account'>
  readonly queue: Pick<SearchQueue, 'gate'>
  readonly rateLimit: number | 'auto'
  readonly log: Logger
}): Promise<number | null> {
  const allowed = Math.max(1, await allowedPerMinute(parts.store, parts.rateLimit))
  const now = await parts.queue.gate.pace()
  if (now !== null && now.callsPerMinute === allowed) return null
  await parts.queue.gate.setPace(allowed)
  parts.log.info({ callsPerMinute: allowed, before: now?.callsPerMinute ?? null }, 'pace set')
  return allowed
}

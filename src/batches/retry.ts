import { RefusedError } from '../domain/errors.js'
import type { Logger } from '../domain/logger.js'
import type { SearchRef } from '../domain/search-id.js'
import type { DeadFilter, Store } from '../store/store.js'

/** Retries or discards dead letters by filter. An empty filter needs `all`. */

export interface Price {
  readonly searches: number
  /** Credits that this may cost: one per search, since each is called again. */
  readonly credits: number
  /** How many of them may be paid for already: their answer was lost or unreadable. */
  readonly maybePaidAlready: number
}

/** True if the credits exceed the threshold, or an answer that may be paid for would be bought again. */
export function needsConfirmation({ credits, maybePaidAlready }: Price, confirmAbove: number): boolean {
  return credits > confirmAbove || maybePaidAlready > 0
}

/**
 * @param how ends the message: how to narrow the filter
 * @throws RefusedError without a filter and without `all`: a mistake would retry or discard everything
 */
export function refuseEmptyFilter(filter: DeadFilter, all: boolean, verb: 'retry' | 'discard', how: string): void {
  if (all || Object.values(filter).some((value) => value !== undefined)) return
  throw new RefusedError(`This would ${verb} every dead letter. ${how}`, { code: 'confirmation_required' })
}

export async function retryPrice(store: Pick<Store, 'deadLetters'>, filter: DeadFilter): Promise<Price> {
  const searches = await store.deadLetters.count(filter)
  return { searches, credits: searches, maybePaidAlready: await store.deadLetters.countMaybePaid(filter) }
}

/** Called when somebody presses Retry in Bull Board. Does the same as `dead-letters retry`. */
export async function retryOne(
  parts: { readonly store: Pick<Store, 'deadLetters'>; readonly log: Logger },
  ref: SearchRef,
): Promise<boolean> {
  const due = await parts.store.deadLetters.retry(ref)
  parts.log.info(
    { event: due ? 'dead_letter.retried' : 'dead_letter.retry_ignored', search: ref.fingerprint, round: ref.round },
    due ? 'dead letter retried' : 'retry ignored: the search is not a dead letter any more',
  )
  return due
}

import { RefusedError } from '../domain/errors.js'
import type { Logger } from '../domain/logger.js'
import type { SearchRef } from '../domain/search-id.js'
import type { DeadFilter, Store } from '../store/store.js'

/** Retries or discards dead letters by filter. An empty filter needs `all`. */

export interface Price {
  /** Each is called again, so this may cost as many credits. */
  readonly searches: number
  /** How many of them may be paid for already: their answer was lost or unreadable. */
  readonly maybePaid: number
}

/** True if the credits exceed the threshold, or an answer that may be paid for would be bought again. */
export function needsConfirmation({ searches, maybePaid }: Price, confirmAbove: number): boolean {
  return searches > confirmAbove || maybePaid > 0
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
  return {
    searches: await store.deadLetters.count(filter),
    maybePaid: await store.deadLetters.countMaybePaid(filter),
  }
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

import { RefusedError } from '../domain/errors.js'
import type { Logger } from '../domain/logger.js'
import type { SearchRef } from '../domain/search-id.js'
import type { DeadFilter, Store } from '../store/store.js'

/** Sending dead letters back, or taking them off the list, by filter. An empty filter is refused unless all are meant. */
export interface Price {
  readonly searches: number
  /** Credits that this may cost: one per search, since each is called again. */
  readonly credits: number
  /** Of these, how many may be paid for already: their first answer was lost or could not be read. */
  readonly maybePaidAlready: number
}

/** @throws RefusedError when neither a filter nor `all` was given: that would retry everything by mistake. */
export function refuseEmptyFilter(filter: DeadFilter, all: boolean, verb: 'retry' | 'discard'): void {
  if (all || Object.values(filter).some((value) => value !== undefined)) return
  throw new RefusedError(
    `This would ${verb} every dead letter. Narrow it with --status, --code, --batch or a search, or say --all.`,
  )
}

export async function priceOf(store: Pick<Store, 'deadLetters'>, filter: DeadFilter): Promise<Price> {
  const searches = await store.deadLetters.count(filter)
  return { searches, credits: searches, maybePaidAlready: await store.deadLetters.countMaybePaid(filter) }
}

/** What the parking queue calls when somebody pressed Retry in Bull Board; the same as the command line's retry. */
export async function retryOne(
  parts: { readonly store: Pick<Store, 'deadLetters'>; readonly log: Logger },
  ref: SearchRef,
): Promise<boolean> {
  const due = await parts.store.deadLetters.retry(ref)
  parts.log.info(
    { event: due ? 'dead_letter.retried' : 'dead_letter.retry_ignored', search: ref.fingerprint, round: ref.round },
    due ? 'dead letter retried' : 'retry pressed, but it is not dead any more',
  )
  return due
}

import { RefusedError } from '../domain/errors.js'
import type { Logger } from '../domain/logger.js'
import type { SearchRef } from '../domain/search-id.js'
import type { DeadFilter, DeadLetterCursor, DeadLetterEntry, RetryPrice, Store } from '../store/store.js'
import type { AbandonedParts } from './abandoned.js'
import { findBatch } from './find-batch.js'

/** Lists, retries or discards dead letters by filter. To retry or discard, an empty filter needs `all`. */

/** As a person or a script names them; all that are given must match. */
export interface NamedDeadLetters {
  /** By id or name. */
  readonly batch?: number | string | undefined
  readonly status?: number | undefined
  readonly code?: string | undefined
  /** A fingerprint or a prefix of it. */
  readonly search?: string | undefined
}

/** @throws UsageError if there is no such batch */
export async function deadFilterOf(
  parts: AbandonedParts,
  { batch, status, code, search }: NamedDeadLetters,
): Promise<DeadFilter> {
  return {
    ...(status !== undefined && { status }),
    ...(code !== undefined && { code }),
    ...(search !== undefined && { search }),
    ...(batch !== undefined && { batchId: (await findBatch(parts, String(batch))).id }),
  }
}

const PAGE = 500

/** All that match, oldest death first. */
export async function* listDeadLetters(
  { deadLetters }: Pick<Store, 'deadLetters'>,
  filter: DeadFilter,
): AsyncGenerator<DeadLetterEntry> {
  let after: DeadLetterCursor | null = null
  do {
    const page: Awaited<ReturnType<typeof deadLetters.list>> = await deadLetters.list(filter, after, PAGE)
    yield* page.letters
    after = page.next
  } while (after !== null)
}

/** True if the credits exceed the threshold, or an answer that may be paid for would be bought again. */
export function needsConfirmation({ searches, maybePaid }: RetryPrice, confirmAbove: number): boolean {
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

/** Called when somebody presses Retry in Bull Board. Does the same as `dead-letters retry`. */
export async function retryOne(
  parts: { readonly store: Pick<Store, 'deadLetters'>; readonly log: Logger },
  ref: SearchRef,
): Promise<boolean> {
  const due = await parts.store.deadLetters.retryOne(ref)
  parts.log.info(
    { event: due ? 'dead_letter.retried' : 'dead_letter.retry_ignored', search: ref.fingerprint, round: ref.round },
    due ? 'dead letter retried' : 'retry ignored: the search is not a dead letter any more',
  )
  return due
}

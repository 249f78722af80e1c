import { RefusedError } from '../domain/errors.js'
import type { Batch, Store } from '../store/store.js'
import { type Estimate, estimate } from './estimate.js'

/** Letting a batch go on: raising or removing its caps, and what that may cost, known before it happens. */
export interface Release {
  readonly batch: Batch
  /** The most calls that may be charged to it in all; null: no cap. */
  readonly maxCredits: number | null
}

/**
 * The credits that this lets go at most, beyond those that the batch may use as it is, and what all that it may use then
 * means in time and money. Calls in flight are counted as still to come.
 * @throws RefusedError when it cannot be released
 */
export async function priceOfRelease(
  store: Pick<Store, 'batches' | 'account'>,
  { batch, maxCredits }: Release,
  pace: { readonly callsPerMinute: number; readonly creditReserve: number; readonly now: number },
): Promise<{ readonly credits: number; readonly estimate: Estimate }> {
  refuseUnreleasable({ batch, maxCredits })
  const { creditsNeeded, dueElsewhere } = await store.batches.plan(batch.id, pace.now)
  const within = (cap: number | null) =>
    Math.min(creditsNeeded, cap === null ? creditsNeeded : Math.max(0, cap - batch.charged))
  const before = Math.min(within(batch.maxCredits), within(batch.first))
  const after = within(maxCredits)
  return {
    credits: Math.max(0, after - before),
    estimate: estimate({
      plan: { creditsNeeded: after, dueElsewhere },
      account: await store.account.get(),
      cap: null,
      ...pace,
    }),
  }
}

/** @throws RefusedError when it was cancelled or is still loading, or has used more than that already. */
export async function releaseBatch(
  parts: { readonly store: Pick<Store, 'batches'>; readonly now: () => number },
  { batch, maxCredits }: Release,
): Promise<void> {
  refuseUnreleasable({ batch, maxCredits })
  if (!(await parts.store.batches.release(batch.id, { maxCredits, first: null }, parts.now())))
    throw wasCancelled(batch)
}

function refuseUnreleasable({ batch, maxCredits }: Release): void {
  if (batch.state === 'loading')
    throw new RefusedError(`Batch ${batch.id} is still loading: it is released by its own submit.`)
  if (batch.state === 'cancelled') throw wasCancelled(batch)
  if (maxCredits !== null && maxCredits < batch.charged) {
    throw new RefusedError(
      `Batch ${batch.id} has used ${batch.charged} credits already: give --max-credits above that.`,
    )
  }
}

function wasCancelled({ id, name }: Batch): RefusedError {
  return new RefusedError(
    `Batch ${id} (${name}) was cancelled: submit its catalog again; answers it has are reused for free.`,
  )
}

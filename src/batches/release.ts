import { RefusedError } from '../domain/errors.js'
import { pluralize } from '../domain/format.js'
import { capOf } from '../store/batch-row.js'
import type { Batch, Caps, Store } from '../store/store.js'

/** The caps that the batch has afterwards. */
export interface Release extends Caps {
  readonly batch: Batch
}

/**
 * `credits`: the most that this release adds to the batch's budget. `plan`: the whole budget after the release, to
 * estimate from. Calls in flight count as not yet made.
 * @throws RefusedError when the batch cannot be released
 */
export async function priceOfRelease(
  store: Pick<Store, 'batches'>,
  release: Release,
): Promise<{
  readonly credits: number
  readonly plan: { readonly creditsNeeded: number; readonly dueElsewhere: number }
}> {
  refuseUnreleasable(release)
  const { batch } = release
  const { creditsNeeded, dueElsewhere } = await store.batches.plan(batch.id)
  const budgetUnder = (caps: Caps) => Math.min(creditsNeeded, Math.max(0, (capOf(caps) ?? Infinity) - batch.charged))
  const before = batch.state === 'loading' ? 0 : budgetUnder(batch)
  const after = budgetUnder(release)
  return { credits: Math.max(0, after - before), plan: { creditsNeeded: after, dueElsewhere } }
}

/**
 * The caps of a release that names none. A scheduled batch is released as it would be at its time; of one that is
 * released already, the cap stays and `--first` ends.
 * @param howToRaise ends the message
 * @throws RefusedError if the cap is used up
 */
export function keptCaps({ id, maxCredits, first, state, charged }: Batch, howToRaise: string): Caps {
  if (state === 'loading') return { maxCredits, first }
  if (maxCredits === null || state !== 'released' || charged < maxCredits) return { maxCredits, first: null }
  throw new RefusedError(`Batch ${id} has used its cap of ${pluralize(maxCredits, 'credit')}. ${howToRaise}`, {
    code: 'cap_used_up',
  })
}

/**
 * Raises or removes the caps of a batch. The price is known before.
 * @throws RefusedError when the batch was cancelled, is still loading, or has used more than the new cap
 */
export async function releaseBatch(
  parts: { readonly store: Pick<Store, 'batches'>; readonly now: () => number },
  release: Release,
): Promise<void> {
  refuseUnreleasable(release)
  const { batch, maxCredits, first } = release
  if (!(await parts.store.batches.release(batch.id, { maxCredits, first }, parts.now()))) throw wasCancelled(batch)
}

function refuseUnreleasable({ batch, maxCredits }: Release): void {
  // With a time, its submit has ended.
  if (batch.state === 'loading' && batch.notBefore === null)
    throw new RefusedError(`Batch ${batch.id} is still loading. Its own submit releases it.`, { code: 'batch_loading' })
  if (batch.state === 'cancelled') throw wasCancelled(batch)
  if (maxCredits !== null && maxCredits < batch.charged) {
    throw new RefusedError(`Batch ${batch.id} has used ${batch.charged} credits already. Raise its cap above that.`, {
      code: 'cap_used_up',
    })
  }
}

function wasCancelled({ id, name }: Batch): RefusedError {
  return new RefusedError(
    `Batch ${id} (${name}) was cancelled. Submit its catalog again: its answers are reused for free.`,
    { code: 'batch_cancelled' },
  )
}

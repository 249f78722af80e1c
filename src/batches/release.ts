import type { ZonedHours } from '../domain/active-hours.js'
import { RefusedError } from '../domain/errors.js'
import { pluralize } from '../domain/format.js'
import type { Batch, Store } from '../store/store.js'
import { type Estimate, estimate } from './estimate.js'

export interface Release {
  readonly batch: Batch
  /** The most calls that may ever be charged to the batch; null: no cap. */
  readonly maxCredits: number | null
}

/**
 * `credits`: the most that this release adds to the batch's budget. `estimate`: credits and time for the whole budget
 * after the release. Calls in flight count as not yet made.
 * @throws RefusedError when the batch cannot be released
 */
export async function priceOfRelease(
  store: Pick<Store, 'batches' | 'account' | 'schedules'>,
  { batch, maxCredits }: Release,
  rate: {
    readonly callsPerMinute: number
    readonly creditReserve: number
    readonly activeHours: ZonedHours | null
    readonly now: number
  },
): Promise<{ readonly credits: number; readonly estimate: Estimate }> {
  await refuseUnreleasable(store, { batch, maxCredits })
  const { creditsNeeded, dueElsewhere } = await store.batches.plan(batch.id, rate.now)
  const budgetUnder = (cap: number | null) =>
    Math.min(creditsNeeded, cap === null ? creditsNeeded : Math.max(0, cap - batch.charged))
  const before = Math.min(budgetUnder(batch.maxCredits), budgetUnder(batch.first))
  const after = budgetUnder(maxCredits)
  return {
    credits: Math.max(0, after - before),
    estimate: estimate({
      plan: { creditsNeeded: after, dueElsewhere },
      account: await store.account.get(),
      cap: null,
      ...rate,
    }),
  }
}

/**
 * The cap of a release that names none: it stays.
 * @param howToRaise ends the message
 * @throws RefusedError if it is used up
 */
export function keptCap(batch: Batch, howToRaise: string): number | null {
  const { id, maxCredits, state, charged } = batch
  if (maxCredits === null || state !== 'released' || charged < maxCredits) return maxCredits
  throw new RefusedError(`Batch ${id} has used its cap of ${pluralize(maxCredits, 'credit')}. ${howToRaise}`, {
    code: 'cap_used_up',
  })
}

/**
 * Raises or removes the caps of a batch. The price is known before.
 * @throws RefusedError when the batch was cancelled, is still loading, or has used more than the new cap
 */
export async function releaseBatch(
  parts: { readonly store: Pick<Store, 'batches' | 'schedules'>; readonly now: () => number },
  { batch, maxCredits }: Release,
): Promise<void> {
  await refuseUnreleasable(parts.store, { batch, maxCredits })
  if (!(await parts.store.batches.release(batch.id, { maxCredits, first: null }, parts.now())))
    throw wasCancelled(batch)
}

async function refuseUnreleasable(store: Pick<Store, 'schedules'>, { batch, maxCredits }: Release): Promise<void> {
  if (batch.state === 'loading' && !(await isScheduled(store, batch.id)))
    throw new RefusedError(`Batch ${batch.id} is still loading. Its own submit releases it.`, { code: 'batch_loading' })
  if (batch.state === 'cancelled') throw wasCancelled(batch)
  if (maxCredits !== null && maxCredits < batch.charged) {
    throw new RefusedError(`Batch ${batch.id} has used ${batch.charged} credits already. Raise its cap above that.`, {
      code: 'cap_used_up',
    })
  }
}

/** Its submit has ended: only the time until `--not-before` is left. */
async function isScheduled(store: Pick<Store, 'schedules'>, batchId: number): Promise<boolean> {
  return (await store.schedules.list()).some((schedule) => schedule.batchId === batchId && schedule.notBefore !== null)
}

function wasCancelled({ id, name }: Batch): RefusedError {
  return new RefusedError(
    `Batch ${id} (${name}) was cancelled. Submit its catalog again: its answers are reused for free.`,
    { code: 'batch_cancelled' },
  )
}

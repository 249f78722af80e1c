import { RefusedError, UsageError } from '../domain/errors.js'
import type { Batch } from '../store/store.js'
import { type AbandonedParts, dropAbandoned } from './abandoned.js'

/**
 * Not one that a killed submit left behind: that is dropped.
 * @throws UsageError naming what was asked for, when there is no such batch.
 */
export async function findBatch(parts: AbandonedParts, idOrName: string | null): Promise<Batch> {
  const batch = await find(parts, idOrName)
  if (batch.state !== 'loading') return batch
  await dropAbandoned(parts)
  return find(parts, idOrName)
}

async function find({ store }: Pick<AbandonedParts, 'store'>, idOrName: string | null): Promise<Batch> {
  const batch = await store.batches.find(idOrName)
  if (batch !== null) return batch
  throw new UsageError(
    idOrName === null
      ? 'There is no batch yet: submit a catalog first, for example `trackyard-batch submit catalog.csv --query "{title} music"`.'
      : `No batch has the id or name "${idOrName}": \`trackyard-batch status\` lists them.`,
  )
}

/**
 * Ends a released batch; drops one that a killed submit left behind.
 * @throws UsageError when there is no such batch; RefusedError when there is nothing to cancel.
 */
export async function cancelBatch(
  parts: AbandonedParts,
  idOrName: string,
): Promise<{ readonly batch: Batch; readonly was: 'cancelled' | 'dropped' }> {
  const batch = await find(parts, idOrName)
  if (await parts.store.batches.cancel(batch.id, parts.now())) return { batch, was: 'cancelled' }
  if (batch.state !== 'loading') {
    const standing = batch.state === 'released' ? 'done' : batch.state
    throw new RefusedError(`Batch ${batch.id} (${batch.name}) is ${standing}: there is nothing to cancel.`)
  }
  await dropAbandoned(parts)
  if ((await parts.store.batches.find(String(batch.id))) === null) return { batch, was: 'dropped' }
  throw new RefusedError(
    `Batch ${batch.id} (${batch.name}) is being loaded by a submit: interrupt that, and it is dropped. If that was killed, try again in a minute.`,
  )
}

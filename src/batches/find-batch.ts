import { RefusedError, UsageError } from '../domain/errors.js'
import type { Batch, BatchReport, Store } from '../store/store.js'
import { type AbandonedParts, dropAbandoned } from './abandoned.js'

/**
 * Drops a batch that a killed submit left loading, instead of returning it.
 * @throws UsageError with the given id or name, when there is no such batch or several have the name
 */
export async function findBatch(parts: AbandonedParts, idOrName: string | null): Promise<Batch> {
  const batch = await find(parts, idOrName)
  if (batch.state !== 'loading') return batch
  await dropAbandoned(parts)
  return find(parts, idOrName)
}

async function find({ store }: Pick<AbandonedParts, 'store'>, idOrName: string | null): Promise<Batch> {
  const batch = await store.batches.find(idOrName)
  if (batch !== null && (idOrName === null || idOrName === String(batch.id))) return batch
  if (batch !== null) {
    const ids = await store.batches.idsOf(batch.name)
    if (ids.length > 1) throw ambiguous(batch.name, ids)
    return batch
  }
  throw new UsageError(
    idOrName === null
      ? 'There is no batch yet. Submit a catalog first, for example `trackyard-batch submit catalog.csv --query "{title} music"`.'
      : `No batch has the id or name "${idOrName}". \`trackyard-batch status\` lists the batches.`,
    { code: 'no_such_batch' },
  )
}

/** A batch with its rows by status. Null: it was dropped. `withheldAsWaiting`: see `WhichBatches`. */
export async function reportOf(
  { reports }: Pick<Store, 'reports'>,
  batchId: number,
  withheldAsWaiting = false,
): Promise<BatchReport | null> {
  const [report = null] = await reports.batches({ batchId, limit: 1, withheldAsWaiting })
  return report
}

/** Acting on the wrong one may cost credits. */
function ambiguous(name: string, ids: readonly number[]): UsageError {
  const shown = ids.slice(0, 10).join(', ')
  const more = ids.length > 10 ? ` and ${ids.length - 10} older ones` : ''
  return new UsageError(`${ids.length} batches are named "${name}": ${shown}${more}.`, {
    code: 'ambiguous_batch',
    hint: `Pass an id; ${ids[0]} is the latest. \`submit --name\` gives a batch a name of its own.`,
  })
}

/**
 * Ends a released batch; drops one that a killed submit left loading.
 * @throws UsageError when there is no such batch; RefusedError when there is nothing to cancel
 */
export async function cancelBatch(
  parts: AbandonedParts,
  idOrName: string,
): Promise<{ readonly batch: Batch; readonly was: 'cancelled' | 'dropped' }> {
  const batch = await find(parts, idOrName)
  if (await parts.store.batches.cancel(batch.id, parts.now())) return { batch, was: 'cancelled' }
  if (batch.state !== 'loading') {
    const state = batch.state === 'released' ? 'done' : batch.state
    throw new RefusedError(`Batch ${batch.id} (${batch.name}) is ${state}: there is nothing to cancel.`, {
      code: 'nothing_to_cancel',
    })
  }
  if (batch.notBefore === null) await dropAbandoned(parts)
  else await parts.store.batches.drop(batch.id)
  if ((await parts.store.batches.find(String(batch.id))) === null) return { batch, was: 'dropped' }
  throw new RefusedError(
    `Batch ${batch.id} (${batch.name}) is being loaded by a submit. Interrupt that submit to drop the batch; if it was killed, try again in a minute.`,
    { code: 'batch_loading' },
  )
}

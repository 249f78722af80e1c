import { RefusedError, UsageError } from '../domain/errors.js'
import type { Batch, Store } from '../store/store.js'

/** @throws UsageError naming what was asked for, when there is no such batch. */
export async function findBatch(store: Pick<Store, 'batches'>, idOrName: string | null): Promise<Batch> {
  const batch = await store.batches.find(idOrName)
  if (batch !== null) return batch
  throw new UsageError(
    idOrName === null
      ? 'There is no batch yet: submit a catalog first, for example `trackyard-batch submit catalog.csv --query "{title} music"`.'
      : `No batch has the id or name "${idOrName}": \`trackyard-batch status\` lists them.`,
  )
}

/** @throws RefusedError when there is nothing to cancel. */
export async function cancelBatch(
  parts: { readonly store: Pick<Store, 'batches'>; readonly now: () => number },
  batch: Batch,
): Promise<void> {
  if (await parts.store.batches.cancel(batch.id, parts.now())) return
  throw new RefusedError(`Batch ${batch.id} (${batch.name}) is ${batch.state}: there is nothing to cancel.`)
}

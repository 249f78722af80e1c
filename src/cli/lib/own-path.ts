import type { Batch, Store } from '../../store/store.js'

/**
 * The default path of a batch's export or report. Where another batch has the same name and path, it contains the id, as
 * a command then needs it, too. A batch that this one continues does not count.
 * @param pathOf with an id: the path that contains it
 */
export async function ownPath(
  { batches }: Pick<Store, 'batches'>,
  batch: Batch,
  pathOf: (batch: Batch, id?: number) => string,
): Promise<string> {
  const find = (id: number) => batches.find(String(id))
  const others = new Set(await batches.idsOf(batch.name))
  for (let own: Batch | null = batch; own !== null; own = own.continues === null ? null : await find(own.continues))
    others.delete(own.id)
  for (const id of others) {
    const other = await find(id)
    const isExported = other !== null && other.state !== 'loading'
    if (isExported && pathOf(other) === pathOf(batch)) return pathOf(batch, batch.id)
  }
  return pathOf(batch)
}

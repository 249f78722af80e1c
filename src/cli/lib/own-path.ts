import type { Batch, Store } from '../../store/store.js'

/**
 * The default path of a batch's export or report. Where another batch has the same path, it contains the id. A batch that
 * this one continues does not count, nor one that another one has taken the name of.
 * @param pathOf with an id: the path that contains it
 */
export async function ownPath(
  { batches }: Pick<Store, 'batches'>,
  batch: Batch,
  pathOf: (batch: Batch, id?: number) => string,
): Promise<string> {
  const all = await batches.list()
  const path = pathOf(batch)
  const sharing = all.filter((each) => each.state !== 'loading' && pathOf(each) === path)
  const others = new Set<number>()
  for (const name of new Set(sharing.map((each) => each.name)))
    for (const id of await batches.idsOf(name)) others.add(id)
  for (let own: Batch | undefined = batch; own !== undefined; own = all.find(({ id }) => id === own?.continues))
    others.delete(own.id)
  return sharing.some(({ id }) => others.has(id)) ? pathOf(batch, batch.id) : path
}

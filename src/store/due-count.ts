import { type Budget, budgetsParameter, EVERYTHING, REACH_TABLE, wantedIn } from './budget.js'
import type { Transaction } from './connection.js'

/**
 * How many searches are due for any of these batches. With a single batch, the usual case, its own
 * counter has the answer. When several may share searches, the largest is counted by its counter,
 * and each of the others adds the searches that no earlier one wants. That costs a scan of their
 * searches.
 */
export async function dueSearches(tx: Transaction, reaches: readonly Budget[]): Promise<number> {
  const sized: (Budget & Size)[] = []
  for (const reach of reaches) sized.push({ ...reach, ...(await sizeOf(tx, reach.batchId)) })
  const ordered = sized.sort(
    (a, b) => Number(b.upTo === EVERYTHING) - Number(a.upTo === EVERYTHING) || b.pending - a.pending,
  )
  let due = 0
  for (const [index, reach] of ordered.entries())
    due += index === 0 && reach.upTo === EVERYTHING ? reach.pending : await added(tx, reach, ordered.slice(0, index))
  return due
}

interface Size {
  readonly pending: number
  readonly items: number
}

async function sizeOf(tx: Transaction, batchId: number): Promise<Size> {
  const size = await tx.get<Size>('select pending, items from batch where id = @batchId', { batchId })
  return size ?? { pending: 0, items: 0 }
}

/** Due for this batch and for none of those before it. */
async function added(tx: Transaction, reach: Budget & Size, before: readonly Budget[]): Promise<number> {
  const ofState = async (state: 'waiting' | 'queued', within: string, withinThose: string): Promise<number> => {
    const counted = await tx.get<{ searches: number }>(
      `with ${REACH_TABLE}
       select count(*) as searches
       from ${wantedIn(state, reach)}
       where ${within}
         and not (@before > 0 and exists (
           select 1 from want as other join reach on reach.batch_id = other.batch_id
           where other.search_id = search.id and ${withinThose}))`,
      { batchId: reach.batchId, upTo: reach.upTo, before: before.length, reaches: budgetsParameter(before) },
    )
    return counted?.searches ?? 0
  }
  const waiting = await ofState('waiting', 'search.id <= @upTo', 'search.id <= reach.up_to')
  return waiting + (await ofState('queued', 'true', 'true'))
}

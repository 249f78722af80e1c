import { type BatchRow, CAN_PAY_SQL, capOf, visibleBatches } from './batch-row.js'
import type { Queries, Transaction } from './engine.js'

/**
 * Which searches a budget covers. A released batch without a cap covers every search it wants. A
 * capped batch has L credits left. The searches queued on its account alone will use some of them.
 * (A search that an uncapped batch also wants uses none.) The remaining credits cover that many of
 * its waiting searches, in the order in which they were first requested. So a budget is one number:
 * the highest search id that it can pay for. A waiting search is *due* if it is within the budget of
 * any released batch that wants it; otherwise it is *withheld*. The counts, the export and the plan
 * all use this one rule, so they agree.
 */
export interface Budget {
  readonly batchId: number
  readonly lastId: number
  /** How many waiting searches that covers on its own account. Null: all that it wants. */
  readonly covered: number | null
}

/** Greater than the id of any search. */
export const ABOVE_EVERY_ID = Number.MAX_SAFE_INTEGER

/** The budget of every released batch that has some left and something pending, oldest first. */
export async function readBudgets(tx: Queries): Promise<readonly Budget[]> {
  const batches = await payingBatches(tx)
  const list: Budget[] = []
  for (const batch of batches) list.push({ batchId: batch.id, ...(await budgetOf(tx, batch, batches)) })
  return list
}

/** Released, something pending, budget left. Oldest first. */
export async function payingBatches(tx: Queries): Promise<readonly BatchRow[]> {
  return visibleBatches(tx, `and pending > 0 and ${CAN_PAY_SQL} order by id`)
}

/** Up to this many rows, scanning the batch is faster than scanning everything that waits. */
const SMALL = 10_000

/**
 * A `from` clause: the searches in that state that a batch (`@batchId`) wants, with their `want`. A
 * small batch is scanned by its own searches, a large one by all searches in that state. A batch of
 * ten rows must not cost a scan of a million rows that wait for another batch.
 */
export function wantedIn(state: 'waiting' | 'queued', batch: { readonly items: number }): string {
  return batch.items <= SMALL
    ? `want $next() search on search.id = want.search_id and search.state = '${state}' and want.batch_id = @batchId`
    : `search $by(search_${state}) $next() want
         on want.search_id = search.id and want.batch_id = @batchId and search.state = '${state}'`
}

/**
 * How many more searches may be queued on a capped batch's account. Never below 0.
 * @param paying all batches that can pay
 */
export async function budgetLeft(
  tx: Queries,
  batch: BatchRow,
  cap: number,
  paying: readonly BatchRow[],
): Promise<number> {
  const promised = await tx.get<{ searches: number }>(
    `select count(*) as searches
     from ${wantedIn('queued', batch)}
     where not exists (select 1 from call where call.search_id = search.id and call.outcome = 'sent')
       ${paidAlone(paying)}`,
    { batchId: batch.id },
  )
  return Math.max(0, cap - batch.charged - (promised?.searches ?? 0))
}

type Coverage = Omit<Budget, 'batchId'>

const ALL: Coverage = { lastId: ABOVE_EVERY_ID, covered: null }

async function budgetOf(tx: Queries, batch: BatchRow, paying: readonly BatchRow[]): Promise<Coverage> {
  const cap = capOf(batch)
  if (cap === null) return ALL
  const payable = await budgetLeft(tx, batch, cap, paying)
  if (payable === 0) return { lastId: 0, covered: 0 }
  if (payable >= batch.pending) return ALL
  const last = await tx.get<{ id: number }>(
    `select search.id
     from ${(await isAlone(tx, batch)) ? 'search $by(search_waiting)' : wantedIn('waiting', batch)}
     where search.state = 'waiting' and search.id >= @from
       ${paidAlone(paying)}
     order by search.id limit 1 offset @before`,
    { batchId: batch.id, from: batch.fed_to, before: payable - 1 },
  )
  return last === undefined ? ALL : { lastId: last.id, covered: payable }
}

/** Whether no other batch has pending rows. If so, every waiting search is wanted by this batch. */
async function isAlone(tx: Queries, { id }: BatchRow): Promise<boolean> {
  return (await tx.get('select 1 from batch where pending > 0 and id <> @id limit 1', { id })) === undefined
}

/** Leaves out the searches that a released batch without a cap also wants. */
function paidAlone(paying: readonly BatchRow[]): string {
  if (paying.every((batch) => capOf(batch) !== null)) return ''
  return `and not exists (
    select 1 from want as other join batch on batch.id = other.batch_id
    where other.search_id = search.id
      and batch.state = 'released' and batch.max_credits is null and batch.first is null)`
}

/** The parameter `@budgets` of the two expressions below. */
export function budgetsAsJson(list: readonly Budget[]): string {
  return JSON.stringify(list.map((budget) => [budget.batchId, budget.lastId]))
}

/** A common table expression with the rows of `@budgets`. */
export const BUDGET_TABLE_SQL = `budget (batch_id, last_id) as materialized (
  $pairs(@budgets))`

/**
 * Whether a waiting or queued row of `search` is due: some batch in `budget` wants it and can pay.
 */
export const IS_DUE_SQL = `exists (
  select 1 from want as due_want join budget on budget.batch_id = due_want.batch_id
  where due_want.search_id = search.id and (search.state = 'queued' or search.id <= budget.last_id))`

/**
 * How many searches are due for any of these batches. With a single batch, the usual case, its own
 * counter has the answer. When several may share searches, the largest is counted by its counter,
 * and each of the others adds the searches that no earlier one wants. That costs a scan of their
 * searches.
 */
export async function dueSearches(tx: Transaction, budgets: readonly Budget[]): Promise<number> {
  const sized: (Budget & Size)[] = []
  for (const budget of budgets) sized.push({ ...budget, ...(await sizeOf(tx, budget.batchId)) })
  const ordered = sized.sort(
    (a, b) => Number(b.lastId === ABOVE_EVERY_ID) - Number(a.lastId === ABOVE_EVERY_ID) || b.pending - a.pending,
  )
  let due = 0
  for (const [index, budget] of ordered.entries())
    due +=
      index === 0 && budget.lastId === ABOVE_EVERY_ID
        ? budget.pending
        : await added(tx, budget, ordered.slice(0, index))
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
async function added(tx: Transaction, budget: Budget & Size, before: readonly Budget[]): Promise<number> {
  const ofState = async (state: 'waiting' | 'queued', within: string, withinThose: string): Promise<number> => {
    const counted = await tx.get<{ searches: number }>(
      `with ${BUDGET_TABLE_SQL}
       select count(*) as searches
       from ${wantedIn(state, budget)}
       where ${within}
         and not (@before > 0 and exists (
           select 1 from want as other join budget on budget.batch_id = other.batch_id
           where other.search_id = search.id and ${withinThose}))`,
      { batchId: budget.batchId, lastId: budget.lastId, before: before.length, budgets: budgetsAsJson(before) },
    )
    return counted?.searches ?? 0
  }
  // The first one shares its searches with none before it, and no batch without a cap pays for them.
  const waiting =
    before.length === 0 && budget.covered !== null
      ? budget.covered
      : await ofState('waiting', 'search.id <= @lastId', 'search.id <= budget.last_id')
  return waiting + (await ofState('queued', 'true', 'true'))
}

import { PRIORITIES } from '../domain/states.js'
import { CAN_PAY_SQL, capOf, type StoredBatch, visibleBatches } from './batch-row.js'
import type { Queries, Transaction } from './engine.js'
import { getNumber } from './sql.js'

/**
 * Which searches a budget covers. A released batch without a cap covers every search it wants. A
 * capped batch has L credits left. They pay for the searches that it wants, except for those that an
 * older batch without a cap also wants: a claim charges the oldest batch that can pay. First come
 * those that are queued, and those that are covered by a batch that is fed earlier. What is left then
 * covers that many of its other waiting searches, in the order in which they were first requested. So
 * a budget is one number: the highest search id that it can pay for. A waiting search is *due* if it
 * is within the budget of any released batch that wants it; otherwise it is *withheld*. The counts,
 * the export, the plan and the feeder all use this one rule, so they agree. It looks one batch ahead:
 * where an older batch pays for a younger, more urgent one with a cap, that cap lasts for more of
 * their shared searches than are counted here, and rows of the older one may be withheld after all.
 */
export interface Budget {
  readonly batchId: number
  readonly lastId: number
  /** How many waiting searches that is, if all are on its own account. Null: not known without a count. */
  readonly covered: number | null
  /** Of the batch: its searches without an outcome, and its rows. */
  readonly pending: number
  readonly items: number
}

/** Greater than the id of any search. */
export const ABOVE_EVERY_ID = Number.MAX_SAFE_INTEGER

/** The budget of every released batch that has some left and something pending, in the order in which they are fed. */
export async function readBudgets(tx: Queries): Promise<readonly Budget[]> {
  const batches = await payingBatches(tx)
  const list: Budget[] = []
  for (const batch of batches) {
    const { id: batchId, pending, items } = batch
    list.push({ batchId, pending, items, ...(await budgetOf(tx, batch, list)) })
  }
  return list
}

/** Released, something pending, budget left. */
export interface PayingBatch extends StoredBatch {
  /** Older ones without a cap. Claims charge them, and not this one, for the searches that they want too. */
  readonly olderWithoutCap: readonly number[]
}

const PAYS_SQL = `pending > 0 and ${CAN_PAY_SQL}`
const URGENCY_SQL = `case priority ${PRIORITIES.map((priority, place) => `when '${priority}' then ${place}`).join(' ')} end`

/**
 * Unfinished batches first: those that may run, in the order in which they are fed, then the others, the latest first.
 * Then finished ones, the last to finish first.
 */
export const UNFINISHED_FIRST_SQL = `completed_at is not null, not (${PAYS_SQL}),
  case when ${PAYS_SQL} then ${URGENCY_SQL} end, case when ${PAYS_SQL} then id end, completed_at desc, id desc`

/** In the order in which they are fed: the most urgent first, then the oldest. */
export async function payingBatches(tx: Queries): Promise<readonly PayingBatch[]> {
  const batches = await visibleBatches(tx, `and ${PAYS_SQL} order by ${URGENCY_SQL}, id`)
  const withoutCap = batches.flatMap((batch) => (capOf(batch) === null ? batch.id : []))
  return batches.map((batch) => ({ ...batch, olderWithoutCap: withoutCap.filter((id) => id < batch.id) }))
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

/** How many more searches may be queued on a capped batch's account. Never below 0. */
export async function budgetLeft(tx: Queries, batch: PayingBatch, cap: number): Promise<number> {
  const promised = await getNumber(
    tx,
    `select count(*) as n
     from ${wantedIn('queued', batch)}
     where not exists (select 1 from call where call.search_id = search.id and call.outcome = 'sent')
       and ${paysItselfSql(batch)}`,
    { batchId: batch.id },
  )
  return Math.max(0, cap - batch.charged - promised)
}

type Coverage = Pick<Budget, 'lastId' | 'covered'>

const ALL: Coverage = { lastId: ABOVE_EVERY_ID, covered: null }

/** @param earlier the budgets of the batches that are fed earlier */
async function budgetOf(tx: Queries, batch: PayingBatch, earlier: readonly Budget[]): Promise<Coverage> {
  const cap = capOf(batch)
  if (cap === null) return ALL
  const left = await budgetLeft(tx, batch, cap)
  if (left >= batch.pending) return ALL
  const before = earlier.filter(({ batchId }) => !batch.olderWithoutCap.includes(batchId))
  const taken = await coveredBefore(tx, batch, before, left)
  if (taken >= left) return { lastId: 0, covered: 0 }
  const notTaken = taken === 0 ? '' : 'and not exists (select 1 from covered where covered.id = search.id)'
  const last = await tx.get<{ id: number }>(
    `with ${BUDGET_TABLE_SQL}, covered as materialized (${coveredSql(batch, before)})
     select search.id
     from ${(await isAlone(tx, batch)) ? 'search $by(search_waiting)' : wantedIn('waiting', batch)}
     where search.state = 'waiting' and search.id >= @from and ${paysItselfSql(batch)} ${notTaken}
     order by search.id limit 1 offset @offset`,
    { batchId: batch.id, from: batch.fedTo, offset: left - taken - 1, budgets: budgetsAsJson(before) },
  )
  return last === undefined ? ALL : { lastId: last.id, covered: taken === 0 ? left : null }
}

/** How many searches this batch pays for before its own turn, because a batch that is fed earlier covers them. At most `left`. */
async function coveredBefore(
  tx: Queries,
  batch: PayingBatch,
  before: readonly Budget[],
  left: number,
): Promise<number> {
  if (left === 0 || before.length === 0) return 0
  return getNumber(
    tx,
    `with ${BUDGET_TABLE_SQL}
     select count(*) as n
     from (${coveredSql(batch, before, paysItselfSql(batch))} limit @left) as covered`,
    { batchId: batch.id, left, budgets: budgetsAsJson(before) },
  )
}

/** Whether no other batch has pending rows. If so, every waiting search is wanted by this batch. */
async function isAlone(tx: Queries, { id }: StoredBatch): Promise<boolean> {
  return (await tx.get('select 1 from batch where pending > 0 and id <> @id limit 1', { id })) === undefined
}

/** Whether a claim may charge this batch (`@batchId`) for a search that it wants: no older batch without a cap wants it. */
export function paysItselfSql({ olderWithoutCap }: PayingBatch): string {
  if (olderWithoutCap.length === 0) return 'true'
  return `not exists (
    select 1 from want as other join batch on batch.id = other.batch_id
    where other.search_id = search.id and other.batch_id < @batchId
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
 * A query for the waiting searches that this batch (`@batchId`) wants and that a budget in `@budgets` covers. It scans
 * the searches of those batches, or its own, whichever are fewer.
 */
export function coveredSql(batch: StoredBatch, budgets: readonly Budget[], condition = 'true'): string {
  const columns = 'search.id, want.items'
  if (budgets.reduce((sum, { items }) => sum + items, 0) > batch.items)
    return `select ${columns} from ${wantedIn('waiting', batch)} where ${IS_DUE_SQL} and ${condition}`
  return `select ${columns}
    from (
      select distinct due_want.search_id as id
      from budget $next() want as due_want
        on due_want.batch_id = budget.batch_id and due_want.search_id <= budget.last_id
    ) as due
      $next() search on search.id = due.id and search.state = 'waiting'
      $next() want on want.search_id = search.id and want.batch_id = @batchId
    where ${condition}`
}

/**
 * How many searches are due for any of these batches. With a single batch, the usual case, its own
 * counter has the answer. When several may share searches, the largest is counted by its counter,
 * and each of the others adds the searches that no earlier one wants. That costs a scan of their
 * searches.
 */
export async function dueSearches(tx: Transaction, budgets: readonly Budget[]): Promise<number> {
  const ordered = budgets.toSorted(
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

/** Due for this batch and for none of those before it. */
async function added(tx: Transaction, budget: Budget, before: readonly Budget[]): Promise<number> {
  const ofState = (state: 'waiting' | 'queued', within: string, withinThose: string): Promise<number> =>
    getNumber(
      tx,
      `with ${BUDGET_TABLE_SQL}
       select count(*) as n
       from ${wantedIn(state, budget)}
       where ${within}
         and not (@before > 0 and exists (
           select 1 from want as other join budget on budget.batch_id = other.batch_id
           where other.search_id = search.id and ${withinThose}))`,
      { batchId: budget.batchId, lastId: budget.lastId, before: before.length, budgets: budgetsAsJson(before) },
    )
  const waiting =
    before.length === 0 && budget.covered !== null
      ? budget.covered
      : await ofState('waiting', 'search.id <= @lastId', 'search.id <= budget.last_id')
  return waiting + (await ofState('queued', 'true', 'true'))
}

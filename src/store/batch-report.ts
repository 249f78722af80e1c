import { type Batch, type BatchRow, batchOf, capOf, creditsNeeded, unfinishedRows } from './batch-row.js'
import { ABOVE_EVERY_ID, BUDGET_TABLE_SQL, type Budget, budgetsAsJson, IS_DUE_SQL, wantedIn } from './budget.js'
import type { Transaction } from './engine.js'

export interface BatchReport {
  readonly batch: Batch
  readonly items: number
  readonly tagged: number
  readonly noMatch: number
  readonly waiting: number
  readonly withheld: number
  readonly dead: number
  readonly invalid: number
  readonly cancelled: number
  /** Calls that it may still be charged with. A search that several batches want counts for each. */
  readonly creditsNeeded: number
}

/**
 * Counts the rows of a batch by status. For most batches these are the counters in its row. Only a
 * capped, unfinished batch must look at the searches that it still wants, to tell waiting from
 * withheld.
 */
export async function batchReport(tx: Transaction, row: BatchRow, budgets: readonly Budget[]): Promise<BatchReport> {
  const unfinished = unfinishedRows(row)
  const withheld = row.state === 'released' ? await withheldItems(tx, row, unfinished, budgets) : 0
  return {
    batch: batchOf(row),
    items: row.items,
    tagged: row.tagged,
    noMatch: row.no_match,
    dead: row.dead,
    invalid: row.invalid,
    waiting: row.state === 'cancelled' ? 0 : unfinished - withheld,
    withheld,
    cancelled: row.state === 'cancelled' ? unfinished : 0,
    creditsNeeded: creditsNeeded(row),
  }
}

/**
 * Whether any row of this batch may be withheld. False saves the export and the counts a look at
 * every search.
 */
export function mayWithhold(row: BatchRow, budgets: readonly Budget[]): boolean {
  if (row.state !== 'released' || capOf(row) === null || row.pending === 0) return false
  return !budgets.some((budget) => budget.batchId === row.id && budget.lastId === ABOVE_EVERY_ID)
}

async function withheldItems(
  tx: Transaction,
  row: BatchRow,
  unfinished: number,
  budgets: readonly Budget[],
): Promise<number> {
  if (!mayWithhold(row, budgets)) return 0
  // Few searches usually count as waiting (a `--first 20`), so count those if no other batch can
  // add to them.
  const others = budgets.filter((budget) => budget.batchId !== row.id && budget.lastId > 0)
  const own = budgets.find((budget) => budget.batchId === row.id)?.lastId ?? 0
  const queued = await items(tx, row, 'queued', 'true', own, others)
  const waiting =
    others.length === 0
      ? await items(tx, row, 'waiting', 'search.id <= @own', own, others)
      : await items(tx, row, 'waiting', `(search.id <= @own or ${IS_DUE_SQL})`, own, others)
  return unfinished - queued - waiting
}

async function items(
  tx: Transaction,
  row: BatchRow,
  state: 'waiting' | 'queued',
  condition: string,
  own: number,
  others: readonly Budget[],
): Promise<number> {
  const counted = await tx.get<{ items: number | null }>(
    `with ${BUDGET_TABLE_SQL}
     select sum(want.items) as items
     from ${wantedIn(state, row)}
     where ${condition}`,
    { batchId: row.id, own, budgets: budgetsAsJson(others) },
  )
  return counted?.items ?? 0
}

import { type Batch, type BatchRow, batchOf, capOf, creditsNeeded, unfinishedRows } from './batch-row.js'
import { ABOVE_EVERY_ID, BUDGET_TABLE_SQL, type Budget, budgetsAsJson, coveredSql, wantedIn } from './budget.js'
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
  const others = budgets.filter((budget) => budget.batchId !== row.id && budget.lastId > 0)
  const counted = await tx.get<{ items: number }>(
    `with ${BUDGET_TABLE_SQL}
     select coalesce((select sum(want.items) from ${wantedIn('queued', row)}), 0)
       + coalesce((select sum(want.items) from ${wantedIn('waiting', row)} where search.id <= @own), 0)
       + coalesce((select sum(items) from (${coveredSql(row, others, 'search.id > @own')}) as covered), 0) as items`,
    {
      batchId: row.id,
      own: budgets.find((budget) => budget.batchId === row.id)?.lastId ?? 0,
      budgets: budgetsAsJson(others),
    },
  )
  return unfinished - (counted?.items ?? 0)
}

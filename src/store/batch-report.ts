import { capOf, creditsNeeded, type StoredBatch, unfinishedRows } from './batch-row.js'
import { ABOVE_EVERY_ID, BUDGET_TABLE_SQL, type Budget, budgetsAsJson, coveredSql, wantedIn } from './budget.js'
import type { Transaction } from './engine.js'
import { getNumber } from './sql.js'

export interface BatchReport {
  readonly batch: StoredBatch
  readonly waiting: number
  readonly withheld: number
  readonly cancelled: number
  /** Calls that it may still be charged with. A search that several batches want counts for each. */
  readonly creditsNeeded: number
}

/**
 * Counts the rows of a batch by status. For most batches these are the counters in its row. Only a
 * capped, unfinished batch must look at the searches that it still wants, to tell waiting from
 * withheld.
 * @param withheldAsWaiting does not look while the batch has budget left, when some rows are waiting in any case
 */
export async function batchReport(
  tx: Transaction,
  batch: StoredBatch,
  budgets: readonly Budget[],
  withheldAsWaiting: boolean,
): Promise<BatchReport> {
  const unfinished = unfinishedRows(batch)
  const isCounted =
    mayWithhold(batch, budgets) && !(withheldAsWaiting && budgets.some(({ batchId }) => batchId === batch.id))
  const withheld = isCounted ? await withheldItems(tx, batch, unfinished, budgets) : 0
  return {
    batch,
    waiting: batch.state === 'cancelled' ? 0 : unfinished - withheld,
    withheld,
    cancelled: batch.state === 'cancelled' ? unfinished : 0,
    creditsNeeded: creditsNeeded(batch),
  }
}

/**
 * Whether any row of this batch may be withheld. False saves the export and the counts a look at
 * every search.
 */
export function mayWithhold(batch: StoredBatch, budgets: readonly Budget[]): boolean {
  if (batch.state !== 'released' || capOf(batch) === null || batch.pending === 0) return false
  return !budgets.some((budget) => budget.batchId === batch.id && budget.lastId === ABOVE_EVERY_ID)
}

async function withheldItems(
  tx: Transaction,
  batch: StoredBatch,
  unfinished: number,
  budgets: readonly Budget[],
): Promise<number> {
  const others = budgets.filter((budget) => budget.batchId !== batch.id && budget.lastId > 0)
  const due = await getNumber(
    tx,
    `with ${BUDGET_TABLE_SQL}
     select coalesce((select sum(want.items) from ${wantedIn('queued', batch)}), 0)
       + coalesce((select sum(want.items) from ${wantedIn('waiting', batch)} where search.id <= @own), 0)
       + coalesce((select sum(items) from (${coveredSql(batch, others, 'search.id > @own')}) as covered), 0) as n`,
    {
      batchId: batch.id,
      own: budgets.find((budget) => budget.batchId === batch.id)?.lastId ?? 0,
      budgets: budgetsAsJson(others),
    },
  )
  return unfinished - due
}

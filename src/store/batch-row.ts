import type { Selectable } from 'kysely'
import type { Batch } from './batch.js'
import { build } from './connection.js'
import type { BatchTable } from './schema.js'

export type BatchRow = Selectable<BatchTable>

export function batchOf(row: BatchRow): Batch {
  return {
    id: row.id,
    name: row.name,
    state: row.state,
    priority: row.priority,
    catalogPath: row.catalog_path,
    format: row.format,
    delimiter: row.delimiter,
    byteOrderMark: row.byte_order_mark === 1,
    quoting: row.quoting,
    preamble: row.preamble,
    columns: JSON.parse(row.columns) as string[],
    maxCredits: row.max_credits,
    first: row.first,
    charged: row.charged,
    createdAt: row.created_at,
    completedAt: row.completed_at,
  }
}

/** Rows without an outcome. */
export function unfinishedItems(row: BatchRow): number {
  return row.items - row.invalid - row.tagged - row.no_match - row.dead
}

/** Batches that users see: not one that is being removed. */
export function standingBatches() {
  return build.selectFrom('batch').selectAll().where('dropping', '=', 0)
}

/** The maximum number of calls charged to it. Null: no cap. */
export function capOf(batch: Pick<BatchRow, 'max_credits' | 'first'>): number | null {
  if (batch.max_credits === null) return batch.first
  return batch.first === null ? batch.max_credits : Math.min(batch.max_credits, batch.first)
}

/** The same in SQL, for a table or alias named `batch`. SQLite's min() of two is null when either is. */
export const CAP_SQL = 'coalesce(min(batch.max_credits, batch.first), batch.max_credits, batch.first)'

/** Whether a batch may be charged with another call. */
export const CAN_PAY_SQL = `batch.state = 'released' and (${CAP_SQL} is null or batch.charged < ${CAP_SQL})`

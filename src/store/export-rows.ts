import { setImmediate as nextTurn } from 'node:timers/promises'
import { type RowStatus, rowStatus, type SearchState } from '../domain/states.js'
import { TAGS_RULE } from '../domain/tags.js'
import { mayWithhold } from './batch-report.js'
import { type StoredBatch, visibleBatch } from './batch-row.js'
import { BUDGET_TABLE_SQL, type Budget, budgetsAsJson, IS_DUE_SQL, readBudgets } from './budget.js'
import type { Connection, Queries, Snapshot } from './engine.js'

/** One row of the export, in input order. */
export interface ExportRow {
  readonly position: number
  readonly key: string | null
  readonly row: string
  readonly status: RowStatus
  /** What is stored of the answer for exports, as JSON. Null unless `tagged`, or where an older rule made it. */
  readonly tagging: string | null
  /** The answer's body; null unless `tagged`, and without `tagging` or asked for by `withAnswers`. */
  readonly answer: string | null
  /** Why it is invalid or dead, in one sentence. */
  readonly error: string | null
}

export interface ExportOptions {
  /** The position of the last row that the reader has. Default: from the first row. */
  readonly after?: number | undefined
  /** Rows carry the answer's body even if `tagging` is stored. */
  readonly withAnswers?: boolean | undefined
}

/** Rows read between two turns of the event loop. */
const ROWS_PER_TURN = 500

/**
 * The longest snapshot of an export. While it lasts, SQLite cannot reuse its write-ahead log, and
 * PostgreSQL cannot vacuum. If nobody read from the pipe, they would grow forever.
 */
const SNAPSHOT_MS = 30_000

/**
 * Every row of a batch in input order, once. Rows read within half a minute come from one snapshot.
 * A longer export, or one whose reader stalls, continues after its last row from a new snapshot.
 * Workers continue meanwhile. A batch that does not exist has no rows.
 */
export async function* exportRows(
  connection: Connection,
  batchId: number,
  { after = 0, withAnswers = false, snapshotMs = SNAPSHOT_MS }: ExportOptions & { readonly snapshotMs?: number } = {},
): AsyncGenerator<ExportRow> {
  let last: number | null = after
  while (last !== null) {
    const snapshot: Snapshot = await connection.snapshot()
    let isOver = false
    // It ends by itself, even if nobody asks for a row.
    const timer = setTimeout(() => {
      isOver = true
      void snapshot.close()
    }, snapshotMs)
    timer.unref()
    try {
      const batch = await visibleBatch(snapshot, batchId)
      if (batch === undefined) return
      const budgets = await readBudgets(snapshot)
      const pageAfter = (position: number) =>
        rowsAfter(snapshot, batch, budgets, { after: position, limit: ROWS_PER_TURN, withAnswers })
      let next: Promise<readonly StoredRow[]> | null = null
      while (last !== null && !isOver) {
        const rows: readonly StoredRow[] = await (next ?? pageAfter(last))
        last = rows.length < ROWS_PER_TURN ? null : (rows.at(-1)?.position ?? null)
        // A server reads the next page while this one is used.
        next = last === null ? null : pageAfter(last)
        next?.catch(() => {})
        for (const row of rows) yield exportRow(row, batch)
        await nextTurn()
      }
    } finally {
      clearTimeout(timer)
      await snapshot.close()
    }
  }
}

/** A row of the catalog, and what is known of its search. */
export interface StoredRow {
  readonly position: number
  readonly key: string | null
  readonly row: string
  readonly problem: string | null
  readonly state: SearchState | null
  readonly tracks: number | null
  /** The `Tagging` made by the current `TAGS_RULE`. Null: none. */
  readonly json: string | null
  /** The answer. Null unless `json` is null, or with `withAnswers`. */
  readonly body: string | null
  readonly death_error: string | null
  readonly death_message: string | null
  readonly due: number
}

/** In input order. */
export function rowsAfter(
  tx: Queries,
  batch: StoredBatch,
  budgets: readonly Budget[],
  { after, limit, withAnswers }: { readonly after: number; readonly limit: number; readonly withAnswers: boolean },
): Promise<readonly StoredRow[]> {
  return tx.all<StoredRow>(
    `with ${BUDGET_TABLE_SQL}
     select item.position, item.key, item.row, item.problem, search.state, search.tracks, tagging.json,
       case when search.tracks > 0 and (@withAnswers = 1 or tagging.json is null)
         then (select body from answer where search_id = search.id) end as body,
       search.death_error, search.death_message,
       case when @mayWithhold = 1 and search.state = 'waiting' and not ${IS_DUE_SQL} then 0 else 1 end as due
     from item
       left join search on search.id = item.search_id
       left join tagging on tagging.search_id = search.id and tagging.rule = @rule
     where item.batch_id = @batchId and item.position > @after order by item.position limit @limit`,
    {
      batchId: batch.id,
      after,
      limit,
      withAnswers: Number(withAnswers),
      rule: TAGS_RULE,
      mayWithhold: Number(mayWithhold(batch, budgets)),
      budgets: budgetsAsJson(budgets),
    },
  )
}

function exportRow(row: StoredRow, batch: StoredBatch): ExportRow {
  return {
    position: row.position,
    key: row.key,
    row: row.row,
    status: statusOf(row, batch),
    tagging: row.json,
    answer: row.body,
    error: row.problem ?? deathSentence(row),
  }
}

export function statusOf({ problem, state, tracks, due }: StoredRow, batch: StoredBatch): RowStatus {
  const search = state === null ? null : { state, tracks }
  return rowStatus({ problem, search, batchState: batch.state, withheld: due === 0 })
}

function deathSentence(row: StoredRow): string | null {
  if (row.state !== 'dead') return null
  return [row.death_error, row.death_message].filter((text) => text !== null).join(': ')
}

import { setImmediate as nextTurn } from 'node:timers/promises'
import { rowStatus, type SearchState } from '../domain/states.js'
import { mayWithhold } from './batch-report.js'
import { standingBatches } from './batch-row.js'
import { budgets, budgetsParameter, IS_DUE, REACH_TABLE } from './budget.js'
import type { Connection } from './connection.js'
import type { ExportRow } from './report.js'

/** Rows read between two turns of the event loop. */
const ROWS_PER_TURN = 500

/**
 * The longest read transaction of an export. While it lasts, SQLite cannot reuse its write-ahead
 * log. If nobody read from the pipe, the log would grow forever.
 */
const SNAPSHOT_MS = 30_000

/**
 * Every row of a batch in input order, once. Rows read within half a minute come from one snapshot.
 * A longer export, or one whose reader stalls, continues after its last row from a new snapshot.
 * Workers continue meanwhile. A batch that does not exist has no rows.
 */
export async function* exportRows(
  openReader: () => Connection,
  batchId: number,
  snapshotMs: number = SNAPSHOT_MS,
): AsyncGenerator<ExportRow> {
  let last = 0
  let sinceTurn = 0
  for (;;) {
    const snapshot = openSnapshot(openReader(), batchId, last, snapshotMs)
    try {
      for (const row of snapshot.rows) {
        last = row.position
        yield row
        sinceTurn += 1
        if (sinceTurn === ROWS_PER_TURN) {
          sinceTurn = 0
          await nextTurn()
        }
      }
    } catch (error) {
      throw snapshot.explain(error)
    } finally {
      snapshot.close()
    }
    if (!snapshot.isOver()) return
  }
}

interface Snapshot {
  /** Translates an error of the reader for the user. */
  explain(error: unknown): unknown
  readonly rows: Iterable<ExportRow>
  /** It timed out before its last row. */
  isOver(): boolean
  close(): void
}

/** A read transaction on its own connection. It ends by itself, even if nobody asks for a row. */
function openSnapshot(reader: Connection, batchId: number, after: number, snapshotMs: number): Snapshot {
  const rows = rowsOf(reader, batchId, after)
  let isOver = false
  const close = () => {
    clearTimeout(timer)
    rows.return(undefined)
    reader.close()
  }
  const timer = setTimeout(() => {
    isOver = true
    close()
  }, snapshotMs)
  timer.unref()
  return { explain: (error) => reader.files.explain(error), rows, isOver: () => isOver, close }
}

interface ExportedRow {
  readonly position: number
  readonly key: string | null
  readonly row: string
  readonly problem: string | null
  readonly state: SearchState | null
  readonly tracks: number | null
  readonly body: string | null
  readonly death_error: string | null
  readonly death_message: string | null
  readonly due: number
}

function* rowsOf(reader: Connection, batchId: number, after: number): Generator<ExportRow, void> {
  reader.begin('read')
  const batch = reader.first(standingBatches().where('id', '=', batchId))
  if (batch === undefined) return
  const now = budgets(reader)
  const rows = reader.iterate<ExportedRow>(
    `with ${REACH_TABLE}
     select item.position, item.key, item.row, item.problem, search.state, search.tracks, answer.body,
       search.death_error, search.death_message,
       case when @mayWithhold and search.state = 'waiting' then ${IS_DUE} else 1 end as due
     from item
       left join search on search.id = item.search_id
       left join answer on answer.search_id = search.id
     where item.batch_id = @batchId and item.position > @after order by item.position`,
    { batchId, after, mayWithhold: Number(mayWithhold(batch, now)), reaches: budgetsParameter(now) },
  )
  for (const row of rows) {
    yield {
      position: row.position,
      key: row.key,
      row: row.row,
      status: rowStatus({
        problem: row.problem,
        search: row.state === null ? null : { state: row.state, tracks: row.tracks },
        batchState: batch.state,
        withheld: row.due === 0,
      }),
      tagging: null,
      answer: row.body,
      error: row.problem ?? deathSentence(row),
    }
  }
}

function deathSentence(row: ExportedRow): string | null {
  if (row.state !== 'dead') return null
  return [row.death_error, row.death_message].filter((text) => text !== null).join(': ')
}

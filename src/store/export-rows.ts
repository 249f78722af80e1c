import { setImmediate as nextTurn } from 'node:timers/promises'
import { itemStatus, type SearchState } from '../domain/states.js'
import { mayWithhold } from './batch-report.js'
import { standingBatches } from './batch-row.js'
import type { Connection } from './connection.js'
import { IS_DUE, REACH_TABLE, reaches, reachParameter } from './reach.js'
import type { ExportRow } from './report.js'

/** Rows between two turns of the event loop. */
const ROWS_PER_TURN = 500

/**
 * Every row of a batch in input order, as of one moment: a read transaction on a connection of its own, for as
 * long as somebody iterates. Workers go on meanwhile (what they write is kept apart until the export ends).
 * A batch that does not exist has no rows.
 */
export async function* exportRows(openReader: () => Connection, batchId: number): AsyncGenerator<ExportRow> {
  const reader = openReader()
  try {
    reader.begin('read')
    let sinceTurn = 0
    for (const row of rowsOf(reader, batchId)) {
      yield row
      sinceTurn += 1
      if (sinceTurn === ROWS_PER_TURN) {
        sinceTurn = 0
        await nextTurn()
      }
    }
  } catch (error) {
    throw reader.files.explain(error)
  } finally {
    reader.close()
  }
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

function* rowsOf(reader: Connection, batchId: number): Generator<ExportRow> {
  const batch = reader.first(standingBatches().where('id', '=', batchId))
  if (batch === undefined) return
  const now = reaches(reader)
  const rows = reader.iterate<ExportedRow>(
    `with ${REACH_TABLE}
     select item.position, item.key, item.row, item.problem, search.state, search.tracks, answer.body,
       search.death_error, search.death_message,
       case when @mayWithhold and search.state = 'waiting' then ${IS_DUE} else 1 end as due
     from item
       left join search on search.id = item.search_id
       left join answer on answer.search_id = search.id
     where item.batch_id = @batchId order by item.position`,
    { batchId, mayWithhold: Number(mayWithhold(batch, now)), reaches: reachParameter(now) },
  )
  for (const row of rows) {
    yield {
      position: row.position,
      key: row.key,
      row: row.row,
      status: itemStatus({
        problem: row.problem,
        search: row.state === null ? null : { state: row.state, tracks: row.tracks },
        batchState: batch.state,
        withheld: row.due === 0,
      }),
      answer: row.body,
      error: row.problem ?? deathSentence(row),
    }
  }
}

function deathSentence(row: ExportedRow): string | null {
  if (row.state !== 'dead') return null
  return [row.death_error, row.death_message].filter((text) => text !== null).join(': ')
}

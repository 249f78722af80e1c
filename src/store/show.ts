import type { Selectable } from 'kysely'
import type { SearchRequest } from '../domain/request.js'
import { rowStatus } from '../domain/states.js'
import { mayWithhold } from './batch-report.js'
import { batchOf, standingBatches } from './batch-row.js'
import { budgets, budgetsParameter, IS_DUE, REACH_TABLE } from './budget.js'
import { callReport } from './call-report.js'
import { build, type Connection } from './connection.js'
import { deathOf } from './dead-letters.js'
import { searchNamed } from './find-search.js'
import type { Reports, RowReport, SearchReport } from './report.js'
import type { ItemTable } from './schema.js'
import { refOf } from './search-ref.js'

/** The maximum of rows listed with a search: thousands may share one. */
const MOST_ITEMS = 1000

/**
 * Everything about one row or one search. The argument is tried as the user's own id, then as a
 * position, in the given batch (default: the latest). Then it is tried as an id in any other batch,
 * then as a fingerprint.
 */
export function show(reader: Connection, what: string, batchId: number | null): Awaited<ReturnType<Reports['show']>> {
  const item = findItem(reader, what, batchId)
  if (item !== undefined) return showItem(reader, item)
  const searchId = searchNamed(reader, what)
  return searchId === null ? null : showSearch(reader, searchId)
}

type ItemRow = Selectable<ItemTable>

function findItem(reader: Connection, what: string, batchId: number | null): ItemRow | undefined {
  const batches = reader.rows(
    batchId === null ? standingBatches().orderBy('id', 'desc') : standingBatches().where('id', '=', batchId),
  )
  const byKey = (batch: number) =>
    reader.first(
      build
        .selectFrom('item')
        .selectAll()
        .where('batch_id', '=', batch)
        .where('key', '=', what)
        .orderBy('position')
        .limit(1),
    )
  const meant = batches[0]
  if (meant === undefined) return undefined
  const inMeant = byKey(meant.id) ?? byPosition(reader, meant.id, what)
  if (inMeant !== undefined) return inMeant
  for (const { id } of batches.slice(1)) {
    const found = byKey(id)
    if (found !== undefined) return found
  }
  return undefined
}

function byPosition(reader: Connection, batchId: number, what: string): ItemRow | undefined {
  if (!/^\d{1,12}$/.test(what)) return undefined
  return reader.first(
    build.selectFrom('item').selectAll().where('batch_id', '=', batchId).where('position', '=', Number(what)),
  )
}

function showItem(reader: Connection, item: ItemRow): RowReport | null {
  const row = reader.first(standingBatches().where('id', '=', item.batch_id))
  if (row === undefined) return null
  const search = item.search_id === null ? null : showSearch(reader, item.search_id)
  const now = budgets(reader)
  const due =
    item.search_id === null || !mayWithhold(row, now)
      ? { due: 1 }
      : reader.get<{ due: number }>(
          `with ${REACH_TABLE} select (search.state <> 'waiting' or ${IS_DUE}) as due from search where id = @searchId`,
          { searchId: item.search_id, reaches: budgetsParameter(now) },
        )
  const tracks =
    item.search_id === null
      ? null
      : (reader.get<{ tracks: number | null }>('select tracks from search where id = ?', [item.search_id])?.tracks ??
        null)
  return {
    batch: batchOf(row),
    position: item.position,
    key: item.key,
    row: item.row,
    problem: item.problem,
    status: rowStatus({
      problem: item.problem,
      search: search === null ? null : { state: search.state, tracks },
      batchState: row.state,
      withheld: due?.due === 0,
    }),
    search,
  }
}

function showSearch(reader: Connection, searchId: number): SearchReport | null {
  const row = reader.first(build.selectFrom('search').selectAll().where('id', '=', searchId))
  if (row === undefined) return null
  const calls = reader.rows(build.selectFrom('call').selectAll().where('search_id', '=', searchId).orderBy('id'))
  const answer = reader.first(build.selectFrom('answer').select('body').where('search_id', '=', searchId))
  const items = reader.rows(
    build
      .selectFrom('item')
      .innerJoin('batch', 'batch.id', 'item.batch_id')
      .select(['item.batch_id', 'batch.name', 'item.position', 'item.key'])
      .where('item.search_id', '=', searchId)
      .where('batch.dropping', '=', 0)
      .orderBy('item.batch_id', 'desc')
      .orderBy('item.position')
      .limit(MOST_ITEMS),
  )
  return {
    ref: refOf(row),
    request: JSON.parse(row.request) as SearchRequest,
    state: row.state,
    failures: row.failures,
    death: deathOf(row),
    discarded: row.discarded === 1,
    calls: calls.map(callReport),
    // An unreadable answer is stored with its call, and shown if there is nothing better.
    answer: answer?.body ?? calls.findLast((call) => call.unreadable !== null)?.unreadable ?? null,
    items: items.map((item) => ({
      batchId: item.batch_id,
      batchName: item.name,
      position: item.position,
      key: item.key,
    })),
  }
}

import { RefusedError } from '../domain/errors.js'
import type { LoadedRow } from '../domain/request.js'
import type { Connection, SqlValue } from './connection.js'
import { insertRows } from './insert-rows.js'
import { findOrAddSearches, type WantedSearch } from './load-searches.js'

/**
 * Stores a chunk of a catalog: its rows, the searches they need (found by fingerprint, or new), and
 * what the batch wants. The counters of the batch are set here: a row whose search already has its
 * outcome is counted at once.
 *
 * To load a million rows fast, work is shared: each search is looked up once per chunk, ids are
 * looked up together, and many rows go into one statement.
 */
export function addRows(connection: Connection, batchId: number, rows: readonly LoadedRow[], now: number): void {
  const batch = connection.get<{ max_age_ms: number | null }>(
    "select max_age_ms from batch where id = ? and state = 'loading' and dropping = 0",
    [batchId],
  )
  if (batch === undefined)
    throw new RefusedError(
      `Batch ${batchId} takes no more rows: it was released, or dropped because its loader sent no heartbeat for too long. Nothing was spent. Submit the catalog again.`,
    )
  const expiredBefore = batch.max_age_ms === null ? null : now - batch.max_age_ms
  const problems = problemsOf(connection, batchId, rows)
  const asked = rows.map((row, index) => (problems[index] === null ? row.request : null))
  const searches = findOrAddSearches(connection, batchId, asked, expiredBefore)

  const items: SqlValue[] = []
  let invalid = 0
  for (const [index, row] of rows.entries()) {
    const request = asked[index] ?? null
    const search = request === null ? undefined : searches.get(request.fingerprint)
    if (search === undefined) invalid += 1
    else {
      search.firstPosition ??= row.position
      search.items += 1
    }
    items.push(batchId, row.position, row.line, row.key, row.row, search?.id ?? null, problems[index] ?? null)
  }
  insertRows(connection, 'item (batch_id, position, line, key, row, search_id, problem)', 7, items)
  const counts = want(connection, batchId, [...searches.values()])
  connection.run(
    `update batch set items = items + @items, invalid = invalid + @invalid, pending = pending + @pending,
       tagged = tagged + @tagged, no_match = no_match + @noMatch, dead = dead + @dead, heard_at = @now
     where id = @batchId`,
    { ...counts, invalid, items: rows.length, now, batchId },
  )
}

/**
 * The problem of each row. Null: none. Also finds rows that repeat the id of an earlier valid row.
 */
function problemsOf(connection: Connection, batchId: number, rows: readonly LoadedRow[]): readonly (string | null)[] {
  const keys = new Set(rows.map(({ key }) => key).filter((key) => key !== null))
  const earlier = connection.all<{ key: string; line: number }>(
    `select asked.value as key, item.line
     from json_each(@keys) as asked cross join item on item.batch_id = @batchId and item.position = (
       select position from item indexed by item_key
       where batch_id = @batchId and key = asked.value and search_id is not null limit 1)`,
    { batchId, keys: JSON.stringify([...keys]) },
  )
  const holders = new Map(earlier.map(({ key, line }) => [key, line]))
  return rows.map(({ key, line, problem, request }) => {
    if (problem !== null) return problem
    if (request === null) return `line ${line}: no request could be made of this row`
    if (key === null) return null
    const holder = holders.get(key)
    if (holder !== undefined) return `line ${line}: repeated id "${key}": line ${holder} has it already`
    holders.set(key, line)
    return null
  })
}

/** Stores what the batch wants. Returns what to add to its counters. */
function want(connection: Connection, batchId: number, searches: readonly WantedSearch[]) {
  const counts = { pending: 0, tagged: 0, noMatch: 0, dead: 0 }
  const fresh: SqlValue[] = []
  for (const search of searches) {
    const wanted = [batchId, search.id, search.items, search.firstPosition ?? 0]
    if (search.isNew) fresh.push(...wanted)
    const isFirst = search.isNew || wantKnown(connection, wanted) === search.items
    if (search.state === 'answered') {
      if ((search.tracks ?? 0) > 0) counts.tagged += search.items
      else counts.noMatch += search.items
    } else if (search.state === 'dead') counts.dead += search.items
    else if (isFirst) counts.pending += 1
  }
  insertRows(connection, 'want (batch_id, search_id, items, first_position)', 4, fresh)
  return counts
}

/** How many of the batch's rows share that search now. */
function wantKnown(connection: Connection, wanted: readonly SqlValue[]): number | undefined {
  return connection.get<{ items: number }>(
    `insert into want (batch_id, search_id, items, first_position) values (?, ?, ?, ?)
     on conflict do update set items = items + excluded.items returning items`,
    wanted,
  )?.items
}

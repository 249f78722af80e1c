import { RefusedError } from '../domain/errors.js'
import type { LoadedRow } from '../domain/request.js'
import type { SqlValue, Transaction } from './connection.js'
import { findOrAddSearches, type WantedSearch } from './load-searches.js'

/**
 * Stores a chunk of a catalog: its rows, the searches they need (found by fingerprint, or new), and
 * what the batch wants. The counters of the batch are set here: a row whose search already has its
 * outcome is counted at once.
 *
 * To load a million rows fast, work is shared: each search is looked up once per chunk, ids are
 * looked up together, and many rows go into one statement.
 */
export async function addRows(
  tx: Transaction,
  batchId: number,
  rows: readonly LoadedRow[],
  now: number,
): Promise<void> {
  const batch = await tx.get<{ max_age_ms: number | null; items: number }>(
    "select max_age_ms, items from batch where id = @batchId and state = 'loading' and dropping = 0",
    { batchId },
  )
  if (batch === undefined)
    throw new RefusedError(
      `Batch ${batchId} takes no more rows: it was released, or dropped because its loader sent no heartbeat for too long. Nothing was spent. Submit the catalog again.`,
    )
  const [first] = rows
  // The batch has them already: their commit was done, but its acknowledgement was lost.
  if (first === undefined || first.position <= batch.items) return
  const expiredBefore = batch.max_age_ms === null ? null : now - batch.max_age_ms
  const problems = await problemsOf(tx, batchId, rows)
  const asked = rows.map((row, index) => (problems[index] === null ? row.request : null))
  const searches = await findOrAddSearches(tx, batchId, asked, expiredBefore)

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
  await tx.insert('item (batch_id, position, line, key, row, search_id, problem)', 7, items)
  const counts = await want(tx, batchId, [...searches.values()])
  await tx.run(
    `update batch set items = items + @items, invalid = invalid + @invalid, pending = pending + @pending,
       tagged = tagged + @tagged, no_match = no_match + @noMatch, dead = dead + @dead, heard_at = @now
     where id = @batchId`,
    { ...counts, invalid, items: rows.length, now, batchId },
  )
}

/**
 * The problem of each row. Null: none. Also finds rows that repeat the id of an earlier valid row.
 */
async function problemsOf(
  tx: Transaction,
  batchId: number,
  rows: readonly LoadedRow[],
): Promise<readonly (string | null)[]> {
  const keys = new Set(rows.map(({ key }) => key).filter((key) => key !== null))
  const earlier = await tx.all<{ key: string; line: number | null; position: number }>(
    `select key, line, position from item $by(item_key)
     where batch_id = @batchId and $among(key, @keys) and key is not null and search_id is not null`,
    { batchId, keys: [...keys] },
  )
  const holders = new Map(earlier.map((row) => [row.key, placeOf(row)]))
  return rows.map((row) => {
    const { key, problem, request } = row
    if (problem !== null) return problem
    if (request === null) return `${placeOf(row)}: no request could be made of it`
    if (key === null) return null
    const holder = holders.get(key)
    if (holder !== undefined) return `${placeOf(row)}: repeated id "${key}": ${holder} has it already`
    holders.set(key, placeOf(row))
    return null
  })
}

/** A row that is not from a file has no line. */
function placeOf({ line, position }: Pick<LoadedRow, 'line' | 'position'>): string {
  return line === null ? `row ${position}` : `line ${line}`
}

interface Wanted {
  readonly batchId: number
  readonly searchId: number
  readonly items: number
  readonly firstPosition: number
}

/** Stores what the batch wants. Returns what to add to its counters. */
async function want(tx: Transaction, batchId: number, searches: readonly WantedSearch[]) {
  const counts = { pending: 0, tagged: 0, noMatch: 0, dead: 0 }
  const fresh: SqlValue[] = []
  for (const search of searches) {
    const wanted = { batchId, searchId: search.id, items: search.items, firstPosition: search.firstPosition ?? 0 }
    if (search.isNew) fresh.push(wanted.batchId, wanted.searchId, wanted.items, wanted.firstPosition)
    const isFirst = search.isNew || (await wantKnown(tx, wanted)) === search.items
    if (search.state === 'answered') {
      if ((search.tracks ?? 0) > 0) counts.tagged += search.items
      else counts.noMatch += search.items
    } else if (search.state === 'dead') counts.dead += search.items
    else if (isFirst) counts.pending += 1
  }
  await tx.insert('want (batch_id, search_id, items, first_position)', 4, fresh)
  return counts
}

/** How many of the batch's rows share that search now. */
async function wantKnown(tx: Transaction, wanted: Wanted): Promise<number | undefined> {
  const row = await tx.get<{ items: number }>(
    `insert into want (batch_id, search_id, items, first_position) values (@batchId, @searchId, @items, @firstPosition)
     on conflict (batch_id, search_id) do update set items = want.items + excluded.items returning items`,
    { ...wanted },
  )
  return row?.items
}

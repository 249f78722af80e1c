import { RefusedError } from '../domain/errors.js'
import type { LoadedRow } from '../domain/request.js'
import type { SearchState } from '../domain/states.js'
import type { SqlValue, Transaction } from './engine.js'
import { FIRST_GENERATION, fingerprintBytes } from './search-ref.js'

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
  const requests = rows.map((row, index) => (problems[index] === null ? row.request : null))
  const searches = await findOrAddSearches(tx, batchId, requests, expiredBefore)

  const items: SqlValue[] = []
  let invalid = 0
  for (const [index, row] of rows.entries()) {
    const request = requests[index] ?? null
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

/** What the problem of such a row contains. */
export const REPEATED_ID = ': repeated id '

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
    if (holder !== undefined) return `${placeOf(row)}${REPEATED_ID}"${key}": ${holder} has it already`
    holders.set(key, placeOf(row))
    return null
  })
}

/** A row that is not from a file has no line. */
function placeOf({ line, position }: Pick<LoadedRow, 'line' | 'position'>): string {
  return line === null ? `row ${position}` : `line ${line}`
}

/** Stores what the batch wants. Returns what to add to its counters. */
async function want(tx: Transaction, batchId: number, searches: readonly WantedSearch[]) {
  const counts = { pending: 0, tagged: 0, noMatch: 0, dead: 0 }
  const fresh: SqlValue[] = []
  const more: (readonly [searchId: number, items: number])[] = []
  for (const { id, state, tracks, isWanted, items, firstPosition } of searches) {
    if (isWanted) more.push([id, items])
    else fresh.push(batchId, id, items, firstPosition)
    if (state === 'answered') {
      if ((tracks ?? 0) > 0) counts.tagged += items
      else counts.noMatch += items
    } else if (state === 'dead') counts.dead += items
    else if (!isWanted) counts.pending += 1
  }
  await tx.insert('want (batch_id, search_id, items, first_position)', 4, fresh)
  if (more.length > 0)
    await tx.run(
      `with more (search_id, items) as materialized ($pairs(@more))
       update want set items = want.items + more.items from more
       where want.batch_id = @batchId and want.search_id = more.search_id`,
      { batchId, more: JSON.stringify(more) },
    )
  return counts
}

type RowRequest = NonNullable<LoadedRow['request']>

/** A search, and how a chunk of a catalog uses it. */
interface WantedSearch {
  readonly id: number
  readonly state: SearchState
  readonly tracks: number | null
  /** By an earlier chunk of this batch. */
  readonly isWanted: boolean
  items: number
  firstPosition: number | null
}

interface KnownSearch {
  readonly id: number
  readonly generation: number
  readonly state: SearchState
  readonly tracks: number | null
  readonly answered_at: number | null
}

/**
 * Finds the search for each fingerprint of a chunk, in this order: the generation that this batch
 * already uses; the latest answer that is young enough; the latest generation without an answer; a
 * new search. An answer comes before a later generation without one. Another batch's `--max-age`
 * may have started a generation that is still waiting, refused or cancelled, and nobody must pay a
 * second time because of it.
 *
 * New searches get ascending ids in the order in which they are first requested, because a budget
 * covers all ids up to its last one.
 */
async function findOrAddSearches(
  tx: Transaction,
  batchId: number,
  requests: readonly (RowRequest | null)[],
  expiredBefore: number | null,
): Promise<ReadonlyMap<string, WantedSearch>> {
  const isYoung = (search: KnownSearch): boolean =>
    search.answered_at !== null && (expiredBefore === null || search.answered_at >= expiredBefore)
  const known = await knownSearches(tx, requests)
  const wanted = await wantedOf(tx, batchId, [...known.values()].flat())
  const searches = new Map<string, WantedSearch>()
  const fresh = new Map<string, { readonly request: RowRequest; readonly generation: number }>()
  for (const each of requests) {
    if (each === null || searches.has(each.fingerprint) || fresh.has(each.fingerprint)) continue
    const earlier = known.get(each.fingerprint) ?? []
    const [latest] = earlier
    const found =
      earlier.find((search) => wanted.has(search.id)) ??
      earlier.find(isYoung) ??
      (latest?.answered_at === null ? latest : undefined)
    if (found === undefined)
      fresh.set(each.fingerprint, { request: each, generation: (latest?.generation ?? FIRST_GENERATION - 1) + 1 })
    else searches.set(each.fingerprint, { ...found, isWanted: wanted.has(found.id), items: 0, firstPosition: null })
  }
  let id = await tx.reserveIds(fresh.size)
  const values: SqlValue[] = []
  for (const [fingerprint, { request, generation }] of fresh) {
    values.push(id, fingerprintBytes(fingerprint), generation, JSON.stringify(request.request), 'waiting')
    searches.set(fingerprint, { id, state: 'waiting', tracks: null, isWanted: false, items: 0, firstPosition: null })
    id += 1
  }
  await tx.insert('search (id, fingerprint, generation, request, state)', 5, values)
  return searches
}

/** All generations of these searches, the latest first. */
async function knownSearches(
  tx: Transaction,
  requests: readonly (RowRequest | null)[],
): Promise<ReadonlyMap<string, readonly KnownSearch[]>> {
  const digits = requests.flatMap((each) => each?.fingerprint ?? [])
  const rows = await tx.all<KnownSearch & { fingerprint: Buffer }>(
    `select fingerprint, id, generation, state, tracks, answered_at
     from search where $amongHex(fingerprint, @fingerprints) order by generation desc`,
    { fingerprints: [...new Set(digits)] },
  )
  const known = new Map<string, KnownSearch[]>()
  for (const row of rows) {
    const fingerprint = row.fingerprint.toString('hex')
    known.set(fingerprint, [...(known.get(fingerprint) ?? []), row])
  }
  return known
}

/** Which of these searches the batch already wants. */
async function wantedOf(
  tx: Transaction,
  batchId: number,
  searches: readonly KnownSearch[],
): Promise<ReadonlySet<number>> {
  if (searches.length === 0) return new Set()
  const rows = await tx.all<{ search_id: number }>(
    'select search_id from want where batch_id = @batchId and $among(search_id, @ids)',
    { batchId, ids: searches.map((search) => search.id) },
  )
  return new Set(rows.map((row) => row.search_id))
}

import { RefusedError } from '../domain/errors.js'
import type { LoadedRow } from '../domain/loaded-row.js'
import type { SearchState } from '../domain/states.js'
import type { Connection } from './connection.js'
import { FIRST_GENERATION, fingerprintBytes } from './search-ref.js'

/**
 * A chunk of a catalog becomes items, the searches they need (found by fingerprint, or new) and what the batch wants. The
 * batch's counters start out right here: an item whose search has its verdict already is counted as such at once.
 */
export function addRows(connection: Connection, batchId: number, rows: readonly LoadedRow[], now: number): void {
  const batch = connection.get<{ max_age_ms: number | null }>(
    "select max_age_ms from batch where id = ? and state = 'loading' and dropping = 0",
    [batchId],
  )
  if (batch === undefined)
    throw new RefusedError(
      `Batch ${batchId} takes no more rows: it was released, or dropped because its loader was silent for too long. Nothing was spent by this; submit the catalog again.`,
    )
  const counts = { invalid: 0, pending: 0, tagged: 0, noMatch: 0, dead: 0 }
  const expiredBefore = batch.max_age_ms === null ? null : now - batch.max_age_ms
  for (const row of rows) {
    const problem = row.problem ?? repeatedKey(connection, batchId, row.key)
    if (problem !== null || row.request === null) {
      counts.invalid += 1
      addItem(connection, batchId, row, null, problem ?? 'no request could be made of this row')
      continue
    }
    const search = findOrAddSearch(connection, batchId, row.request, expiredBefore)
    const isNew = want(connection, batchId, search.id, row.position)
    addItem(connection, batchId, row, search.id, null)
    if (search.state === 'answered') {
      if ((search.tracks ?? 0) > 0) counts.tagged += 1
      else counts.noMatch += 1
    } else if (search.state === 'dead') counts.dead += 1
    else if (isNew) counts.pending += 1
  }
  connection.run(
    `update batch set items = items + @items, invalid = invalid + @invalid, pending = pending + @pending,
       tagged = tagged + @tagged, no_match = no_match + @noMatch, dead = dead + @dead, heard_at = @now
     where id = @batchId`,
    { ...counts, items: rows.length, now, batchId },
  )
}

function repeatedKey(connection: Connection, batchId: number, key: string | null): string | null {
  if (key === null) return null
  const earlier = connection.get<{ position: number }>(
    'select position from item where batch_id = ? and key = ? limit 1',
    [batchId, key],
  )
  return earlier === undefined ? null : `repeated id "${key}": row ${earlier.position} has it already`
}

function addItem(
  connection: Connection,
  batchId: number,
  row: LoadedRow,
  searchId: number | null,
  problem: string | null,
): void {
  connection.run('insert into item (batch_id, position, key, row, search_id, problem) values (?, ?, ?, ?, ?, ?)', [
    batchId,
    row.position,
    row.key,
    row.row,
    searchId,
    problem,
  ])
}

/** True when this is the batch's first item with that search. */
function want(connection: Connection, batchId: number, searchId: number, position: number): boolean {
  const row = connection.get<{ items: number }>(
    `insert into want (batch_id, search_id, items, first_position) values (?, ?, 1, ?)
     on conflict do update set items = items + 1 returning items`,
    [batchId, searchId, position],
  )
  return row?.items === 1
}

interface KnownSearch {
  readonly id: number
  readonly generation: number
  readonly state: SearchState
  readonly tracks: number | null
  readonly answered_at: number | null
}

/**
 * The asking of this question that this batch has taken already; else the latest answer that is young enough; else the latest
 * asking without an answer; else a new one. An answer counts before a later asking: what was asked anew for another
 * batch's `--max-age`, and is still waiting, refused or cancelled, makes nobody pay a second time.
 */
function findOrAddSearch(
  connection: Connection,
  batchId: number,
  asked: NonNullable<LoadedRow['request']>,
  expiredBefore: number | null,
): Pick<KnownSearch, 'id' | 'state' | 'tracks'> {
  const bytes = fingerprintBytes(asked.fingerprint)
  const known = connection.all<KnownSearch>(
    'select id, generation, state, tracks, answered_at from search where fingerprint = ? order by generation desc',
    [bytes],
  )
  const isYoung = (search: KnownSearch): boolean =>
    search.answered_at !== null && (expiredBefore === null || search.answered_at >= expiredBefore)
  const taken = (search: KnownSearch): boolean =>
    connection.get('select 1 from want where batch_id = ? and search_id = ?', [batchId, search.id]) !== undefined
  const [latest] = known
  // Nearly always there is one at most, and nothing to choose.
  const alone = known.length === 1 && latest !== undefined && (latest.answered_at === null || isYoung(latest))
  const found = alone
    ? latest
    : (known.find(taken) ?? known.find(isYoung) ?? (latest?.answered_at === null ? latest : undefined))
  if (found !== undefined) return found
  const { id } = connection.run(
    "insert into search (fingerprint, generation, request, state) values (?, ?, ?, 'waiting')",
    [bytes, latest === undefined ? FIRST_GENERATION : latest.generation + 1, JSON.stringify(asked.request)],
  )
  return { id, state: 'waiting', tracks: null }
}

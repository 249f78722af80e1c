import type { LoadedRow } from '../domain/request.js'
import type { SearchState } from '../domain/states.js'
import type { Connection, SqlValue } from './connection.js'
import { insertRows } from './insert-rows.js'
import { FIRST_GENERATION, fingerprintBytes } from './search-ref.js'

type Asked = NonNullable<LoadedRow['request']>

/** A search, and how a chunk of a catalog uses it. */
export interface WantedSearch {
  readonly id: number
  readonly state: SearchState
  readonly tracks: number | null
  /** Created by this chunk, so no batch can want it yet. */
  readonly isNew: boolean
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
 * covers ids up to its reach.
 */
export function findOrAddSearches(
  connection: Connection,
  batchId: number,
  asked: readonly (Asked | null)[],
  expiredBefore: number | null,
): ReadonlyMap<string, WantedSearch> {
  const known = knownSearches(connection, asked)
  const searches = new Map<string, WantedSearch>()
  const fresh: SqlValue[] = []
  let lastId = connection.get<{ seq: number }>("select seq from sqlite_sequence where name = 'search'")?.seq ?? 0
  for (const each of asked) {
    if (each === null || searches.has(each.fingerprint)) continue
    const earlier = known.get(each.fingerprint) ?? []
    const found = choose(connection, batchId, earlier, expiredBefore)
    if (found === undefined) {
      lastId += 1
      const generation = (earlier[0]?.generation ?? FIRST_GENERATION - 1) + 1
      fresh.push(lastId, fingerprintBytes(each.fingerprint), generation, JSON.stringify(each.request), 'waiting')
    }
    const search = found ?? { id: lastId, state: 'waiting', tracks: null }
    searches.set(each.fingerprint, {
      id: search.id,
      state: search.state,
      tracks: search.tracks,
      isNew: found === undefined,
      items: 0,
      firstPosition: null,
    })
  }
  insertRows(connection, 'search (id, fingerprint, generation, request, state)', 5, fresh)
  return searches
}

/** All generations of these searches, the latest first. */
function knownSearches(
  connection: Connection,
  asked: readonly (Asked | null)[],
): ReadonlyMap<string, readonly KnownSearch[]> {
  const digits = asked.flatMap((each) => each?.fingerprint ?? [])
  const rows = connection.all<KnownSearch & { fingerprint: string }>(
    `select asked.value as fingerprint, search.id, generation, state, tracks, answered_at
     from json_each(?) as asked cross join search on search.fingerprint = unhex(asked.value)`,
    [JSON.stringify([...new Set(digits)])],
  )
  const known = new Map<string, KnownSearch[]>()
  for (const row of rows) {
    const others = known.get(row.fingerprint)
    if (others === undefined) known.set(row.fingerprint, [row])
    else others.push(row)
  }
  for (const searches of known.values()) searches.sort((one, other) => other.generation - one.generation)
  return known
}

function choose(
  connection: Connection,
  batchId: number,
  known: readonly KnownSearch[],
  expiredBefore: number | null,
): KnownSearch | undefined {
  const isYoung = (search: KnownSearch): boolean =>
    search.answered_at !== null && (expiredBefore === null || search.answered_at >= expiredBefore)
  const taken = (search: KnownSearch): boolean =>
    connection.get('select 1 from want where batch_id = ? and search_id = ?', [batchId, search.id]) !== undefined
  const [latest] = known
  // Usually there is at most one, and nothing to choose.
  const alone = known.length === 1 && latest !== undefined && (latest.answered_at === null || isYoung(latest))
  if (alone) return latest
  return known.find(taken) ?? known.find(isYoung) ?? (latest?.answered_at === null ? latest : undefined)
}

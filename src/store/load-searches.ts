import type { LoadedRow } from '../domain/request.js'
import type { SearchState } from '../domain/states.js'
import type { SqlValue, Transaction } from './connection.js'
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
 * covers all ids up to its last one.
 */
export async function findOrAddSearches(
  tx: Transaction,
  batchId: number,
  asked: readonly (Asked | null)[],
  expiredBefore: number | null,
): Promise<ReadonlyMap<string, WantedSearch>> {
  const isYoung = (search: KnownSearch): boolean =>
    search.answered_at !== null && (expiredBefore === null || search.answered_at >= expiredBefore)
  const known = await knownSearches(tx, asked)
  const unclear = [...known.values()].filter((generations) => onlyChoice(generations, isYoung) === undefined)
  const taken = await takenBy(tx, batchId, unclear.flat())
  const searches = new Map<string, WantedSearch>()
  const fresh = new Map<string, { readonly request: Asked; readonly generation: number }>()
  for (const each of asked) {
    if (each === null || searches.has(each.fingerprint) || fresh.has(each.fingerprint)) continue
    const earlier = known.get(each.fingerprint) ?? []
    const found = onlyChoice(earlier, isYoung) ?? choose(earlier, taken, isYoung)
    if (found === undefined)
      fresh.set(each.fingerprint, { request: each, generation: (earlier[0]?.generation ?? FIRST_GENERATION - 1) + 1 })
    else searches.set(each.fingerprint, { ...found, isNew: false, items: 0, firstPosition: null })
  }
  let id = await tx.reserveIds(fresh.size)
  const values: SqlValue[] = []
  for (const [fingerprint, { request, generation }] of fresh) {
    values.push(id, fingerprintBytes(fingerprint), generation, JSON.stringify(request.request), 'waiting')
    searches.set(fingerprint, { id, state: 'waiting', tracks: null, isNew: true, items: 0, firstPosition: null })
    id += 1
  }
  await tx.insert('search (id, fingerprint, generation, request, state)', 5, values)
  return searches
}

/** All generations of these searches, the latest first. */
async function knownSearches(
  tx: Transaction,
  asked: readonly (Asked | null)[],
): Promise<ReadonlyMap<string, readonly KnownSearch[]>> {
  const digits = asked.flatMap((each) => each?.fingerprint ?? [])
  const rows = await tx.all<KnownSearch & { fingerprint: Buffer }>(
    `select fingerprint, id, generation, state, tracks, answered_at
     from search where $amongHex(fingerprint, @fingerprints)`,
    { fingerprints: [...new Set(digits)] },
  )
  const known = new Map<string, KnownSearch[]>()
  for (const row of rows) {
    const fingerprint = row.fingerprint.toString('hex')
    const others = known.get(fingerprint)
    if (others === undefined) known.set(fingerprint, [row])
    else others.push(row)
  }
  for (const searches of known.values()) searches.sort((one, other) => other.generation - one.generation)
  return known
}

/** Usually there is at most one generation, and nothing to choose. */
function onlyChoice(known: readonly KnownSearch[], isYoung: (search: KnownSearch) => boolean): KnownSearch | undefined {
  const [latest] = known
  return known.length === 1 && latest !== undefined && (latest.answered_at === null || isYoung(latest))
    ? latest
    : undefined
}

function choose(
  known: readonly KnownSearch[],
  taken: ReadonlySet<number>,
  isYoung: (search: KnownSearch) => boolean,
): KnownSearch | undefined {
  const [latest] = known
  return (
    known.find((search) => taken.has(search.id)) ??
    known.find(isYoung) ??
    (latest?.answered_at === null ? latest : undefined)
  )
}

/** Which of these searches the batch already wants. */
async function takenBy(
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

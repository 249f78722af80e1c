import type { SearchRequest } from '../domain/request.js'
import type { SearchRef } from '../domain/search-id.js'
import { lessUrgentThan, PRIORITIES, type Priority } from '../domain/states.js'
import { type BatchRow, capOf } from './batch-row.js'
import { budgetLeft, payingBatches, wantedIn } from './budget.js'
import type { Connection } from './connection.js'
import { fingerprintBytes, idInRound, type RefColumns, refOf } from './search-ref.js'
import type { DueSearch, FeedStore } from './store.js'
import { enqueue, putBack } from './transitions.js'
import { unwantedRefs } from './unwanted.js'

/**
 * What is due, and what the store believes is in Redis. The feeder asks about once a second,
 * whatever the size of the batches, so its reads are bounded. They walk an index of waiting
 * searches from the batch's low-water mark (`fed_to`) and stop when enough are found. The mark
 * rises when the walk finds nothing below. Anything that makes a search wait again lowers it.
 */
export function feedStore(connection: Connection): FeedStore {
  return {
    queued: async () => connection.read(() => queued(connection)),
    due: async (limit, room) => connection.write(() => due(connection, limit, room)),
    markQueued: async (jobs, now) =>
      connection.write(() => {
        let marked = 0
        for (const { ref, priority } of jobs) {
          const id = idInRound(connection, ref)
          if (id !== undefined && enqueue(connection, id, ref.round, priority, now)) marked += 1
        }
        return marked
      }),
    queuedRefs: async (before, after, limit) =>
      connection.read(() => {
        const rows = connection.all<RefColumns & { id: number }>(
          `select id, fingerprint, generation, round from search indexed by search_queued
           where state = 'queued' and id > ? and queued_at < ? order by id limit ?`,
          [after, before, limit],
        )
        return { refs: rows.map(refOf), next: rows.length < limit ? null : (rows.at(-1)?.id ?? null) }
      }),
    unwantedRefs: unwantedRefs(connection),
    settledAmong: async (refs) => connection.read(() => refs.filter((ref) => !mayRun(connection, ref))),
    requeue: async (refs) =>
      connection.write(() => {
        const ids = refs.map((ref) => idInRound(connection, ref)).filter((id) => id !== undefined)
        return putBack(connection, queuedAmong(connection, ids))
      }),
    requeueAll: async () =>
      connection.write(() => {
        const all = connection.all<{ id: number }>("select id from search where state = 'queued'")
        return putBack(
          connection,
          all.map((row) => row.id),
        )
      }),
  }
}

function queued(connection: Connection): Readonly<Record<Priority, number>> {
  const counts: Record<Priority, number> = { high: 0, normal: 0, low: 0 }
  const rows = connection.all<{ priority: Priority; searches: number }>(
    `select queued_priority as priority, count(*) as searches
     from search indexed by search_queued where state = 'queued' group by 1`,
  )
  for (const row of rows) counts[row.priority] = row.searches
  return counts
}

function mayRun(connection: Connection, ref: SearchRef): boolean {
  const open = connection.get(
    "select 1 from search where fingerprint = ? and generation = ? and round = ? and state in ('waiting', 'queued')",
    [fingerprintBytes(ref.fingerprint), ref.generation, ref.round],
  )
  return open !== undefined
}

function queuedAmong(connection: Connection, ids: readonly number[]): number[] {
  return connection
    .all<{ id: number }>("select id from search where id in (select value from json_each(?)) and state = 'queued'", [
      JSON.stringify(ids),
    ])
    .map((row) => row.id)
}

interface DueRow extends RefColumns {
  readonly id: number
  readonly request: string
  readonly key: string | null
}

/**
 * Best priority first, then oldest batch. Each batch uses the room of its own priority and of the
 * less urgent ones.
 */
function due(connection: Connection, limit: number, room: Readonly<Record<Priority, number>>): readonly DueSearch[] {
  const left = { ...room }
  const found = new Map<number, DueSearch>()
  const batches = payingBatches(connection)
  for (const [urgency, priority] of PRIORITIES.entries()) {
    for (const batch of batches.filter((each) => each.priority === priority)) {
      for (const rowsOf of [queuedForLess, waitingFor]) {
        const wanted = Math.min(limit - found.size, left[priority])
        if (wanted <= 0) break
        const rows = rowsOf(connection, batch, wanted, found)
        for (const row of rows) found.set(row.id, dueSearch(row, batch))
        for (const lesser of PRIORITIES.slice(urgency)) left[lesser] -= rows.length
      }
    }
  }
  return [...found.values()]
}

/**
 * Searches that this batch wants and that are queued with a less urgent priority: they are
 * promoted. Only a release can cause this, because waiting searches go to the most urgent batch. So
 * the scan is not repeated once it finds nothing.
 */
function queuedForLess(
  connection: Connection,
  batch: BatchRow,
  wanted: number,
  taken: ReadonlyMap<number, unknown>,
): readonly DueRow[] {
  if (batch.raised === 1) return []
  const rows = connection.all<DueRow>(
    `select search.id, search.fingerprint, search.generation, search.round, search.request, item.key
     from ${wantedIn('queued', batch)}
     cross join item on item.batch_id = @batchId and item.position = want.first_position
     where search.queued_priority in (select value from json_each(@less))
     order by search.id limit @wanted`,
    { batchId: batch.id, less: JSON.stringify(lessUrgentThan(batch.priority)), wanted },
  )
  if (rows.length === 0) connection.run('update batch set raised = 1 where id = ?', [batch.id])
  return rows.filter((row) => !taken.has(row.id))
}

/**
 * The first searches waiting for this batch, except those that an earlier batch took. Raises its
 * mark. Searches already taken by another batch count against a capped batch's budget too. So two
 * capped batches never exceed together what the reports promise.
 */
function waitingFor(
  connection: Connection,
  batch: BatchRow,
  wanted: number,
  taken: ReadonlyMap<number, unknown>,
): readonly DueRow[] {
  const cap = capOf(batch)
  const payable = cap === null ? Number.POSITIVE_INFINITY : budgetLeft(connection, batch, cap)
  if (payable === 0) return []
  const rows: DueRow[] = []
  let lowest: number | null = null
  let seen = 0
  const walk = connection.iterate<DueRow>(
    `select search.id, search.fingerprint, search.generation, search.round, search.request, item.key
     from ${wantedIn('waiting', batch)}
     cross join item on item.batch_id = @batchId and item.position = want.first_position
     where search.id >= @from
     order by search.id`,
    { batchId: batch.id, from: batch.fed_to },
  )
  for (const row of walk) {
    lowest ??= row.id
    if (!taken.has(row.id)) rows.push(row)
    seen += 1
    if (seen === payable || rows.length === wanted) break
  }
  raiseMark(connection, batch, lowest ?? highestId(connection))
  return rows
}

function raiseMark(connection: Connection, batch: BatchRow, mark: number): void {
  if (mark > batch.fed_to) connection.run('update batch set fed_to = ? where id = ?', [mark, batch.id])
}

/** A released batch takes no more rows, so it can want nothing above this id. */
function highestId(connection: Connection): number {
  return connection.get<{ id: number | null }>('select max(id) as id from search')?.id ?? 0
}

function dueSearch(row: DueRow, batch: BatchRow): DueSearch {
  return {
    ref: refOf(row),
    request: JSON.parse(row.request) as SearchRequest,
    priority: batch.priority,
    batchName: batch.name,
    itemKey: row.key,
  }
}

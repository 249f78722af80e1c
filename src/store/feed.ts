import type { SearchRequest } from '../domain/request.js'
import type { SearchRef } from '../domain/search-id.js'
import { lessUrgentThan, PRIORITIES, type Priority } from '../domain/states.js'
import { type BatchRow, capOf } from './batch-row.js'
import { budgetLeft, payingBatches, wantedIn } from './budget.js'
import type { Connection, SqlParameters, Transaction } from './connection.js'
import { IS_REF, type RefColumns, refOf, refPage, refParameters } from './search-ref.js'
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
    queued: () => connection.read(queued),
    due: (limit, room) => connection.write((tx) => due(tx, limit, room)),
    markQueued: (jobs, now) =>
      connection.write(async (tx) => {
        let marked = 0
        for (const { ref, priority } of jobs) if (await enqueue(tx, ref, priority, now)) marked += 1
        return marked
      }),
    queuedRefs: (before, after, limit) =>
      connection.read((tx) =>
        refPage(tx, "from search $by(search_queued) where state = 'queued' and id > @after and queued_at < @before", {
          after,
          before,
          limit,
        }),
      ),
    unwantedRefs: unwantedRefs(connection),
    settledAmong: (refs) =>
      connection.read(async (tx) => {
        const settled: SearchRef[] = []
        for (const ref of refs) if (!(await mayRun(tx, ref))) settled.push(ref)
        return settled
      }),
    requeue: (refs) =>
      connection.write(async (tx) => {
        const ids: number[] = []
        for (const ref of refs) ids.push(...(await queuedIn(tx, ref)))
        return putBack(tx, ids)
      }),
    requeueAll: () =>
      connection.write(async (tx) => {
        const all = await tx.all<{ id: number }>("select id from search where state = 'queued'")
        return putBack(
          tx,
          all.map((row) => row.id),
        )
      }),
  }
}

async function queued(tx: Transaction): Promise<Readonly<Record<Priority, number>>> {
  const counts: Record<Priority, number> = { high: 0, normal: 0, low: 0 }
  const rows = await tx.all<{ priority: Priority; searches: number }>(
    `select queued_priority as priority, count(*) as searches
     from search $by(search_queued) where state = 'queued' group by 1`,
  )
  for (const row of rows) counts[row.priority] = row.searches
  return counts
}

async function mayRun(tx: Transaction, ref: SearchRef): Promise<boolean> {
  const open = await tx.get(
    `select 1 from search where ${IS_REF} and state in ('waiting', 'queued')`,
    refParameters(ref),
  )
  return open !== undefined
}

async function queuedIn(tx: Transaction, ref: SearchRef): Promise<number[]> {
  const text = `select id from search where ${IS_REF} and state = 'queued'`
  return (await tx.all<{ id: number }>(text, refParameters(ref))).map((row) => row.id)
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
async function due(
  tx: Transaction,
  limit: number,
  room: Readonly<Record<Priority, number>>,
): Promise<readonly DueSearch[]> {
  const left = { ...room }
  const found = new Map<number, DueSearch>()
  const batches = await payingBatches(tx)
  for (const [urgency, priority] of PRIORITIES.entries()) {
    for (const batch of batches.filter((each) => each.priority === priority)) {
      for (const rowsOf of [queuedForLess, waitingFor]) {
        const wanted = Math.min(limit - found.size, left[priority])
        if (wanted <= 0) break
        const rows = await rowsOf(tx, batch, wanted, found)
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
async function queuedForLess(
  tx: Transaction,
  batch: BatchRow,
  wanted: number,
  taken: ReadonlyMap<number, unknown>,
): Promise<readonly DueRow[]> {
  if (batch.raised === 1) return []
  const less = lessUrgentThan(batch.priority)
  const condition = '$among(search.queued_priority, @less)'
  const rows = await dueRows(tx, batch, 'queued', condition, { less, limit: wanted })
  if (rows.length === 0) await tx.run('update batch set raised = 1 where id = @id', { id: batch.id })
  return rows.filter((row) => !taken.has(row.id))
}

/**
 * The first searches waiting for this batch, except those that an earlier batch took. Raises its
 * mark. Searches already taken by another batch count against a capped batch's budget too. So two
 * capped batches never exceed together what the reports promise.
 */
async function waitingFor(
  tx: Transaction,
  batch: BatchRow,
  wanted: number,
  taken: ReadonlyMap<number, unknown>,
): Promise<readonly DueRow[]> {
  const cap = capOf(batch)
  const payable = cap === null ? Number.MAX_SAFE_INTEGER : await budgetLeft(tx, batch, cap)
  if (payable === 0) return []
  // At most all of those taken are among them.
  const limit = Math.min(payable, wanted + taken.size)
  const rows = await dueRows(tx, batch, 'waiting', 'search.id >= @from', { from: batch.fed_to, limit })
  await raiseMark(tx, batch, rows[0]?.id ?? (await highestId(tx)))
  return rows.filter((row) => !taken.has(row.id)).slice(0, wanted)
}

/** In the order of their ids: that in which they were first requested. */
function dueRows(
  tx: Transaction,
  batch: BatchRow,
  state: 'waiting' | 'queued',
  condition: string,
  parameters: SqlParameters,
): Promise<DueRow[]> {
  return tx.all<DueRow>(
    `select search.id, search.fingerprint, search.generation, search.round, search.request, item.key
     from ${wantedIn(state, batch)}
     $next() item on item.batch_id = @batchId and item.position = want.first_position
     where ${condition} order by search.id limit @limit`,
    { ...parameters, batchId: batch.id },
  )
}

async function raiseMark(tx: Transaction, batch: BatchRow, mark: number): Promise<void> {
  if (mark > batch.fed_to) await tx.run('update batch set fed_to = @mark where id = @id', { mark, id: batch.id })
}

/** A released batch takes no more rows, so it can want nothing above this id. */
async function highestId(tx: Transaction): Promise<number> {
  return (await tx.get<{ id: number | null }>('select max(id) as id from search'))?.id ?? 0
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

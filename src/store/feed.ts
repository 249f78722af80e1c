import type { SearchRequest } from '../domain/request.js'
import { jobIdOf, type SearchRef } from '../domain/search-id.js'
import { lessUrgentThan, PRIORITIES, type Priority } from '../domain/states.js'
import { CAN_PAY_SQL, capOf, type StoredBatch } from './batch-row.js'
import { budgetLeft, type PayingBatch, payingBatches, paysItselfSql, wantedIn } from './budget.js'
import type { Connection, SqlParameters, Transaction } from './engine.js'
import { idsOf, type RefColumns, type RefPage, refOf, refPage, searchesAmong } from './search-ref.js'
import { getNumber } from './sql.js'
import { enqueue, requeueSearches } from './transitions.js'

export interface DueSearch {
  readonly ref: SearchRef
  readonly request: SearchRequest
  readonly priority: Priority
  /** Display only: shown with the job. */
  readonly batchName: string
  readonly itemKey: string | null
}

export interface FeedStore {
  /** Searches in state `queued`, by the priority they were queued with. */
  queued(): Promise<Readonly<Record<Priority, number>>>
  /**
   * Waiting searches that a released batch with budget left wants: best priority first, then oldest
   * batch, then the order in which they were first requested. A capped batch never gets more than
   * its remaining budget, counting what is already queued for it. Before those of each batch come
   * searches that it wants and that are queued with a lower priority: they are to be promoted.
   * `room` is how many more may be queued per priority. Urgent searches use the room of less urgent
   * ones.
   */
  due(limit: number, room: Readonly<Record<Priority, number>>): Promise<readonly DueSearch[]>
  /**
   * waiting, or queued with a lower priority → queued, after the jobs were added to Redis or
   * promoted there. After a crash in between the same ids are added again, and BullMQ ignores them.
   */
  markQueued(refs: readonly { readonly ref: SearchRef; readonly priority: Priority }[], now: number): Promise<number>
  /**
   * Queued before this instant, a page by internal order. `after` is the cursor of the previous
   * page.
   */
  queuedRefs(before: number, after: number, limit: number): Promise<RefPage>
  /**
   * Queued searches that no batch can pay for (any more): cancelled, or their cap is used up. A
   * page by internal order. After two empty scans it returns none, until the batches that cannot
   * pay change.
   */
  unwantedRefs(after: number, limit: number): Promise<RefPage>
  /**
   * Those whose jobs would make no call: they have an outcome, are in another round, or are
   * unknown.
   */
  settledAmong(refs: readonly SearchRef[]): Promise<readonly SearchRef[]>
  /**
   * queued (that round) → waiting with a new round: the job is gone from Redis. Returns how many.
   */
  requeue(refs: readonly SearchRef[]): Promise<number>
  /** All queued → waiting with a new round: Redis lost its data. */
  requeueAll(): Promise<number>
}

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
        for (const priority of PRIORITIES) {
          const refs = jobs.flatMap((job) => (job.priority === priority ? job.ref : []))
          if (refs.length > 0) marked += await enqueue(tx, refs, priority, now)
        }
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
        const mayRun = new Set((await searchesAmong(tx, refs, ['waiting', 'queued'])).map((row) => jobIdOf(refOf(row))))
        return refs.filter((ref) => !mayRun.has(jobIdOf(ref)))
      }),
    requeue: (refs) =>
      connection.write(async (tx) => {
        const queued = await searchesAmong(tx, refs, ['queued'])
        return requeueSearches(tx, idsOf(queued))
      }),
    requeueAll: () =>
      connection.write(async (tx) => {
        const all = await tx.all<{ id: number }>("select id from search where state = 'queued'")
        return requeueSearches(tx, idsOf(all))
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

interface DueRow extends RefColumns {
  readonly id: number
  readonly request: string
  readonly key: string | null
  readonly pays_itself: number
}

/** Each batch uses the room of its own priority and of the less urgent ones. */
async function due(
  tx: Transaction,
  limit: number,
  room: Readonly<Record<Priority, number>>,
): Promise<readonly DueSearch[]> {
  const left = { ...room }
  const found = new Map<number, DueSearch>()
  for (const batch of await payingBatches(tx)) {
    for (const rowsOf of [queuedForLess, waitingFor]) {
      const wanted = Math.min(limit - found.size, left[batch.priority])
      if (wanted <= 0) break
      const rows = await rowsOf(tx, batch, wanted, found)
      for (const row of rows) found.set(row.id, dueSearch(row, batch))
      for (const priority of [batch.priority, ...lessUrgentThan(batch.priority)]) left[priority] -= rows.length
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
  batch: PayingBatch,
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
 * mark. A capped batch gets no more than it can pay: what earlier batches took is charged to it, too,
 * unless an older batch without a cap wants it.
 */
async function waitingFor(
  tx: Transaction,
  batch: PayingBatch,
  wanted: number,
  taken: ReadonlyMap<number, unknown>,
): Promise<readonly DueRow[]> {
  const cap = capOf(batch)
  let payable = Number.MAX_SAFE_INTEGER
  if (cap !== null) {
    payable = await budgetLeft(tx, batch, cap)
    if (payable > 0 && taken.size > 0) payable -= await chargedFor(tx, batch, [...taken.keys()])
    if (payable <= 0) return []
  }
  // The rows may include some of those taken, at most all of them.
  const rows = await dueRows(tx, batch, 'waiting', 'search.id >= @from', {
    from: batch.fedTo,
    limit: wanted + taken.size,
  })
  await raiseMark(tx, batch, rows[0]?.id ?? (await highestId(tx)))
  const found: DueRow[] = []
  for (const row of rows) {
    if (taken.has(row.id)) continue
    if (row.pays_itself === 1) payable -= 1
    if (payable < 0 || found.length === wanted) break
    found.push(row)
  }
  return found
}

/** How many of these waiting searches a claim would charge to this batch, if no other batch with a cap were older. */
function chargedFor(tx: Transaction, batch: PayingBatch, ids: readonly number[]): Promise<number> {
  return getNumber(
    tx,
    `select count(*) as n from want $next() search on search.id = want.search_id
     where want.batch_id = @batchId and $among(want.search_id, @ids) and search.state = 'waiting'
       and ${paysItselfSql(batch)}`,
    { batchId: batch.id, ids },
  )
}

/** Ordered by id, which is the order of first request. */
function dueRows(
  tx: Transaction,
  batch: PayingBatch,
  state: 'waiting' | 'queued',
  condition: string,
  parameters: SqlParameters,
): Promise<DueRow[]> {
  // Only a cap asks who pays, and only for what waits.
  const paysItself = state === 'queued' || capOf(batch) === null ? 'true' : paysItselfSql(batch)
  return tx.all<DueRow>(
    `select search.id, search.fingerprint, search.generation, search.round, search.request, item.key,
       case when ${paysItself} then 1 else 0 end as pays_itself
     from ${wantedIn(state, batch)}
     $next() item on item.batch_id = @batchId and item.position = want.first_position
     where ${condition} order by search.id limit @limit`,
    { ...parameters, batchId: batch.id },
  )
}

async function raiseMark(tx: Transaction, batch: StoredBatch, mark: number): Promise<void> {
  if (mark > batch.fedTo) await tx.run('update batch set fed_to = @mark where id = @id', { mark, id: batch.id })
}

/** A released batch takes no more rows, so it can want nothing above this id. */
function highestId(tx: Transaction): Promise<number> {
  return getNumber(tx, 'select max(id) as n from search')
}

function dueSearch(row: DueRow, batch: StoredBatch): DueSearch {
  return {
    ref: refOf(row),
    request: JSON.parse(row.request) as SearchRequest,
    priority: batch.priority,
    batchName: batch.name,
    itemKey: row.key,
  }
}

/**
 * Queued searches that no batch can pay for. Finding them scans everything queued, in a worker's
 * event loop, so it is done only while there may be some: after a batch was cancelled, used up its
 * cap or was released again, until two scans find nothing. (Two, since the feeder may be marking
 * what it has just added.) A search that is missed, such as one whose call was in flight then and
 * timed out, is refused by its claim.
 */
function unwantedRefs(connection: Connection): FeedStore['unwantedRefs'] {
  let last = { cannotPay: '[]', foundNothing: 0 }
  return (after, limit) =>
    connection.read(async (tx) => {
      const cannotPay = await batchesThatCannotPay(tx)
      if (cannotPay !== last.cannotPay) last = { cannotPay, foundNothing: 0 }
      if (cannotPay === '[]' || last.foundNothing === 2) return { refs: [], next: null }
      const page = await unwanted(tx, after, limit)
      if (page.refs.length > 0) last.foundNothing = 0
      else if (after === 0) last.foundNothing += 1
      return page
    })
}

/** These batches and what they have spent, as a text to compare. */
async function batchesThatCannotPay(tx: Transaction): Promise<string> {
  return JSON.stringify(
    await tx.all(
      `select id, state, charged, max_credits, first from batch
       where state <> 'loading' and pending > 0 and not (${CAN_PAY_SQL}) order by id`,
    ),
  )
}

function unwanted(tx: Transaction, after: number, limit: number): Promise<RefPage> {
  return refPage(
    tx,
    `from search $by(search_queued)
     where state = 'queued' and id > @after
       and not exists (select 1 from call where call.search_id = search.id and call.outcome = 'sent')
       and not exists (
         select 1 from want join batch on batch.id = want.batch_id
         where want.search_id = search.id and ${CAN_PAY_SQL})`,
    { after, limit },
  )
}

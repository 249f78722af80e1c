import { RefusedError } from '../domain/errors.js'
import type { SearchRequest } from '../domain/request.js'
import type { Plan, RowChanges } from './batch.js'
import { standingBatch } from './batch-row.js'
import { budgets, budgetsParameter, IS_DUE, REACH_TABLE } from './budget.js'
import type { Transaction } from './connection.js'
import { dueSearches } from './due-count.js'

/** How many examples and reasons are shown. */
const SHOWN = 5

/**
 * What a batch will cost, before its release: exact, by counting the searches that it wants.
 * @param replaces the batch that it takes the place of, which then pays for nothing any more
 */
export async function planOf(tx: Transaction, batchId: number, replaces?: number): Promise<Plan> {
  const batch = await standingBatch(tx, batchId)
  if (batch === undefined)
    throw new RefusedError(`Batch ${batchId} cannot be planned, because it was dropped. Submit the catalog again.`)
  const others = (await budgets(tx)).filter((reach) => reach.batchId !== batchId && reach.batchId !== replaces)
  const searches = (await tx.get<Record<'answered' | 'dead' | 'discarded' | 'queued' | 'unasked', number>>(
    `with ${REACH_TABLE}
     select
       count(*) filter (where search.state = 'answered') as answered,
       count(*) filter (where search.state = 'dead') as dead,
       count(*) filter (where search.state = 'dead' and search.discarded = 1) as discarded,
       count(*) filter (where search.state in ('waiting', 'queued') and @others > 0 and ${IS_DUE}) as queued,
       count(*) filter (where search.state in ('waiting', 'queued')) as unasked
     from want $next() search on search.id = want.search_id
     where want.batch_id = @batchId`,
    { batchId, reaches: budgetsParameter(others), others: others.length },
  )) ?? { answered: 0, dead: 0, discarded: 0, queued: 0, unasked: 0 }
  return {
    rows: batch.items,
    accepted: batch.items - batch.invalid,
    invalid: batch.invalid,
    invalidReasons: await firstProblems(tx, batchId),
    searches: searches.answered + searches.dead + searches.unasked,
    new: searches.unasked - searches.queued,
    alreadyQueued: searches.queued,
    alreadyAnswered: searches.answered,
    alreadyDead: searches.dead,
    discarded: searches.discarded,
    creditsNeeded: searches.unasked - searches.queued,
    dueElsewhere: await dueSearches(tx, others),
    examples: await firstRequests(tx, batchId),
  }
}

async function firstProblems(tx: Transaction, batchId: number): Promise<readonly string[]> {
  const rows = await tx.all<{ problem: string }>(
    `select problem from item where batch_id = @batchId and problem is not null order by position limit ${SHOWN}`,
    { batchId },
  )
  return rows.map((row) => row.problem)
}

async function firstRequests(tx: Transaction, batchId: number): Promise<readonly SearchRequest[]> {
  const rows = await tx.all<{ request: string }>(
    `select search.request from item $next() search on search.id = item.search_id
     where item.batch_id = @batchId order by item.position limit ${SHOWN}`,
    { batchId },
  )
  return rows.map((row) => JSON.parse(row.request) as SearchRequest)
}

/**
 * How the rows of a batch differ from those of the one that it continues. Rows are the same by the user's own id; in
 * batches without ids, by their search. A row has changed when it asks for another search.
 */
export async function compareRows(tx: Transaction, earlierId: number, batchId: number): Promise<RowChanges> {
  const ids = { earlierId, batchId }
  const hasIds = async (id: number) =>
    (await tx.get('select 1 from item where batch_id = @id and key is not null limit 1', { id })) !== undefined
  const byId = (await hasIds(earlierId)) && (await hasIds(batchId))
  const found = await tx.get<Record<'new' | 'changed' | 'gone' | 'unchanged', number>>(byId ? BY_ID : BY_SEARCH, ids)
  const counts = { new: 0, changed: 0, gone: 0, unchanged: 0, ...found, byId }
  if (byId) return counts
  // Rows without a search are all the same.
  const earlier = (await standingBatch(tx, earlierId))?.invalid ?? 0
  const later = (await standingBatch(tx, batchId))?.invalid ?? 0
  return {
    ...counts,
    new: counts.new + Math.max(0, later - earlier),
    gone: counts.gone + Math.max(0, earlier - later),
    unchanged: counts.unchanged + Math.min(earlier, later),
  }
}

/** An id that rows repeat is its first row's; rows without one count as new or gone. */
const BY_ID = `with
  earlier as (${firstOfEachId('@earlierId')}),
  later as (${firstOfEachId('@batchId')})
select
  (select count(*) from later where not exists (select 1 from earlier where earlier.id = later.id))
    + (select count(*) from item where batch_id = @batchId and key is null) as new,
  (select count(*) from earlier where not exists (select 1 from later where later.id = earlier.id))
    + (select count(*) from item where batch_id = @earlierId and key is null) as gone,
  count(*) filter (where later.fingerprint = earlier.fingerprint
    or later.fingerprint is null and earlier.fingerprint is null) as unchanged,
  count(*) filter (where later.fingerprint <> earlier.fingerprint
    or (later.fingerprint is null) <> (earlier.fingerprint is null)) as changed
from later join earlier on earlier.id = later.id`

function firstOfEachId(batchId: string): string {
  return `select item.key as id, search.fingerprint
    from (select key, min(position) as position from item where batch_id = ${batchId} and key is not null group by key)
      as first
      join item on item.batch_id = ${batchId} and item.position = first.position
      left join search on search.id = item.search_id`
}

/** Of rows that have a search. */
const BY_SEARCH = `with
  earlier as (${rowsOfEachSearch('@earlierId')}),
  later as (${rowsOfEachSearch('@batchId')}),
  both_of as (
    select later.amount as later, coalesce(earlier.amount, 0) as earlier
    from later left join earlier on earlier.fingerprint = later.fingerprint
    union all
    select 0, earlier.amount from earlier
    where not exists (select 1 from later where later.fingerprint = earlier.fingerprint)
  )
select
  coalesce(sum(case when later > earlier then later - earlier else 0 end), 0) as new,
  coalesce(sum(case when earlier > later then earlier - later else 0 end), 0) as gone,
  coalesce(sum(case when earlier < later then earlier else later end), 0) as unchanged
from both_of`

function rowsOfEachSearch(batchId: string): string {
  return `select search.fingerprint, count(*) as amount
    from item join search on search.id = item.search_id
    where item.batch_id = ${batchId} group by search.fingerprint`
}

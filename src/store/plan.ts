import { RefusedError } from '../domain/errors.js'
import type { SearchRequest } from '../domain/request.js'
import { visibleBatch } from './batch-row.js'
import { BUDGET_TABLE_SQL, budgetsAsJson, dueSearches, IS_DUE_SQL, readBudgets } from './budget.js'
import type { Transaction } from './engine.js'
import { REPEATED_ID } from './load-rows.js'
import { getNumber, getOne } from './sql.js'

export interface Plan {
  readonly rows: number
  readonly accepted: number
  readonly invalid: number
  /** The first few reasons, with line numbers. */
  readonly invalidReasons: readonly string[]
  /** Rows that are invalid because they repeat an id. */
  readonly repeatedIds: number
  /** Unique searches; the next four add up to it. */
  readonly searches: number
  /** The new searches: those without an outcome that no other released batch is due to pay for. */
  readonly creditsNeeded: number
  readonly alreadyQueued: number
  readonly alreadyAnswered: number
  readonly alreadyDead: number
  /** How many of the dead ones were discarded from the dead letters. */
  readonly discarded: number
  /** Searches due for other released batches, which run before or beside this one. */
  readonly dueElsewhere: number
  /** The first five rendered requests, in input order. */
  readonly examples: readonly SearchRequest[]
}

/** How many rows of a batch that continues another one are new, changed, gone or unchanged. */
export interface RowChanges {
  readonly new: number
  /** Rows whose search is not that of the same row in the earlier batch. */
  readonly changed: number
  /** Rows of the earlier batch that this one lacks. */
  readonly gone: number
  readonly unchanged: number
  /** Whether both batches have ids, by which their rows are matched. */
  readonly byId: boolean
}

/** How many examples and reasons are shown. */
const SHOWN = 5

/** What a batch will cost, before its release: exact, by counting the searches that it wants. */
export async function planOf(tx: Transaction, batchId: number): Promise<Plan> {
  const batch = await visibleBatch(tx, batchId)
  if (batch === undefined)
    throw new RefusedError(`Batch ${batchId} cannot be planned, because it was dropped. Submit the catalog again.`)
  // Once this one is released, the batch that it continues pays for nothing any more.
  const own = [batchId, batch.state === 'loading' ? batch.continues : null]
  const others = (await readBudgets(tx)).filter((budget) => !own.includes(budget.batchId))
  const searches = await getOne<Record<'answered' | 'dead' | 'discarded' | 'queued' | 'open', number>>(
    tx,
    `with ${BUDGET_TABLE_SQL}
     select
       count(*) filter (where search.state = 'answered') as answered,
       count(*) filter (where search.state = 'dead') as dead,
       count(*) filter (where search.state = 'dead' and search.discarded = 1) as discarded,
       count(*) filter (where search.state in ('waiting', 'queued') and @others > 0 and ${IS_DUE_SQL}) as queued,
       count(*) filter (where search.state in ('waiting', 'queued')) as open
     from want $next() search on search.id = want.search_id
     where want.batch_id = @batchId`,
    { batchId, budgets: budgetsAsJson(others), others: others.length },
  )
  return {
    rows: batch.items,
    accepted: batch.items - batch.invalid,
    invalid: batch.invalid,
    invalidReasons: await firstProblems(tx, batchId),
    repeatedIds: await repeatedIds(tx, batchId),
    searches: searches.answered + searches.dead + searches.open,
    creditsNeeded: searches.open - searches.queued,
    alreadyQueued: searches.queued,
    alreadyAnswered: searches.answered,
    alreadyDead: searches.dead,
    discarded: searches.discarded,
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

function repeatedIds(tx: Transaction, batchId: number): Promise<number> {
  return getNumber(
    tx,
    'select count(*) as n from item where batch_id = @batchId and problem is not null and problem like @pattern',
    { batchId, pattern: `%${REPEATED_ID}%` },
  )
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
 * How the rows of a batch differ from those of the one that it continues. Rows are matched by the user's own id; those
 * that repeat an id or have none, and all rows if one of the batches has no ids, by their search. A row has changed if its
 * search differs.
 */
export async function compareRows(tx: Transaction, earlierId: number, batchId: number): Promise<RowChanges> {
  const ids = { earlierId, batchId }
  const hasIds = async (id: number) =>
    (await tx.get('select 1 from item where batch_id = @id and key is not null limit 1', { id })) !== undefined
  const byId = (await hasIds(earlierId)) && (await hasIds(batchId))
  const compared = (text: string) => getOne<Omit<RowChanges, 'byId'>>(tx, text, ids)
  if (!byId) return { ...(await compared(bySearch('true'))), byId }
  const [own, rest] = [await compared(BY_ID), await compared(bySearch(`not (${HAS_OWN_ID})`))]
  return {
    new: own.new + rest.new,
    changed: own.changed + rest.changed,
    gone: own.gone + rest.gone,
    unchanged: own.unchanged + rest.unchanged,
    byId,
  }
}

/** Of `item`: it is the first of its batch with its id. */
const HAS_OWN_ID = `item.key is not null and not exists (
  select 1 from item as before where before.batch_id = item.batch_id and before.key = item.key
    and before.position < item.position)`

/** Each row is looked up in the index of ids, because a join of two big batches would take hours. */
const BY_ID = `select
    count(*) filter (where earlier.position is null) as new,
    count(*) filter (where search.fingerprint is not distinct from earlier_search.fingerprint
      and earlier.position is not null) as unchanged,
    count(*) filter (where search.fingerprint is distinct from earlier_search.fingerprint
      and earlier.position is not null) as changed,
    (select count(*) from item where item.batch_id = @earlierId and ${HAS_OWN_ID} and not exists (
        select 1 from item as kept where kept.batch_id = @batchId and kept.key = item.key)) as gone
  from item
    left join search on search.id = item.search_id
    left join item as earlier on earlier.batch_id = @earlierId and earlier.position = (
      select min(first.position) from item as first where first.batch_id = @earlierId and first.key = item.key)
    left join search as earlier_search on earlier_search.id = earlier.search_id
  where item.batch_id = @batchId and ${HAS_OWN_ID}`

/** Rows without a search are all the same. None has changed: it is new or gone. @param which rows; a condition on `item` */
function bySearch(which: string): string {
  return `select cast(0 as bigint) as changed,
      cast(coalesce(sum(case when later > earlier then later - earlier else 0 end), 0) as bigint) as new,
      cast(coalesce(sum(case when earlier > later then earlier - later else 0 end), 0) as bigint) as gone,
      cast(coalesce(sum(case when earlier < later then earlier else later end), 0) as bigint) as unchanged
    from (
      select count(*) filter (where item.batch_id = @batchId) as later,
        count(*) filter (where item.batch_id = @earlierId) as earlier
      from item left join search on search.id = item.search_id
      where item.batch_id in (@batchId, @earlierId) and ${which}
      group by search.fingerprint
    ) as searches`
}

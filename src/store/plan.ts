import { RefusedError } from '../domain/errors.js'
import type { SearchRequest } from '../domain/request.js'
import type { Plan } from './batch.js'
import { standingBatch } from './batch-row.js'
import { budgets, budgetsParameter, IS_DUE, REACH_TABLE } from './budget.js'
import type { Transaction } from './connection.js'
import { dueSearches } from './due-count.js'

/** How many examples and reasons are shown. */
const SHOWN = 5

/** What a batch will cost, before its release: exact, by counting the searches that it wants. */
export async function planOf(tx: Transaction, batchId: number): Promise<Plan> {
  const batch = await standingBatch(tx, batchId)
  if (batch === undefined)
    throw new RefusedError(`Batch ${batchId} cannot be planned, because it was dropped. Submit the catalog again.`)
  const others = (await budgets(tx)).filter((reach) => reach.batchId !== batchId)
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

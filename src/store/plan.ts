import { RefusedError } from '../domain/errors.js'
import type { SearchRequest } from '../domain/request.js'
import type { Plan } from './batch.js'
import { standingBatches } from './batch-row.js'
import { budgets, budgetsParameter, IS_DUE, REACH_TABLE } from './budget.js'
import type { Connection } from './connection.js'
import { dueSearches } from './due-count.js'

/** How many examples and reasons are shown. */
const SHOWN = 5

/** What a batch will cost, before its release: exact, by counting the searches that it wants. */
export function planOf(connection: Connection, batchId: number): Plan {
  const batch = connection.first(standingBatches().where('id', '=', batchId))
  if (batch === undefined)
    throw new RefusedError(`Batch ${batchId} cannot be planned, because it was dropped. Submit the catalog again.`)
  const others = budgets(connection).filter((reach) => reach.batchId !== batchId)
  const searches = connection.get<Record<'answered' | 'dead' | 'discarded' | 'queued' | 'unasked', number>>(
    `with ${REACH_TABLE}
     select
       count(*) filter (where search.state = 'answered') as answered,
       count(*) filter (where search.state = 'dead') as dead,
       count(*) filter (where search.state = 'dead' and search.discarded = 1) as discarded,
       count(*) filter (where search.state in ('waiting', 'queued') and @others > 0 and ${IS_DUE}) as queued,
       count(*) filter (where search.state in ('waiting', 'queued')) as unasked
     from want cross join search on search.id = want.search_id
     where want.batch_id = @batchId`,
    { batchId, reaches: budgetsParameter(others), others: others.length },
  ) ?? { answered: 0, dead: 0, discarded: 0, queued: 0, unasked: 0 }
  return {
    rows: batch.items,
    accepted: batch.items - batch.invalid,
    invalid: batch.invalid,
    invalidReasons: connection
      .all<{ problem: string }>(
        `select problem from item where batch_id = ? and problem is not null order by position limit ${SHOWN}`,
        [batchId],
      )
      .map((item) => item.problem),
    searches: searches.answered + searches.dead + searches.unasked,
    new: searches.unasked - searches.queued,
    alreadyQueued: searches.queued,
    alreadyAnswered: searches.answered,
    alreadyDead: searches.dead,
    discarded: searches.discarded,
    creditsNeeded: searches.unasked - searches.queued,
    dueElsewhere: dueSearches(connection, others),
    examples: connection
      .all<{ request: string }>(
        `select search.request from item cross join search on search.id = item.search_id
         where item.batch_id = ? order by item.position limit ${SHOWN}`,
        [batchId],
      )
      .map((row) => JSON.parse(row.request) as SearchRequest),
  }
}

import type { Death } from '../domain/dead-letter.js'
import type { CallOutcome } from '../domain/outcome.js'
import type { SearchRequest } from '../domain/request.js'
import type { SearchRef } from '../domain/search-id.js'
import { type RowStatus, rowStatus, type SearchState } from '../domain/states.js'
import { mayWithhold } from './batch-report.js'
import { type Batch, visibleBatch, visibleBatches } from './batch-row.js'
import { BUDGET_TABLE_SQL, budgetsAsJson, IS_DUE_SQL, readBudgets } from './budget.js'
import { DEATH_COLUMNS, type DeathColumns, deathOf } from './dead-letters.js'
import type { Transaction } from './engine.js'
import { type RefColumns, refOf, searchNamed } from './search-ref.js'

export interface CallReport {
  readonly callId: number
  readonly attempt: number
  readonly sentAt: number
  readonly finishedAt: number | null
  readonly outcome: CallOutcome
  readonly status: number | null
  readonly requestId: string | null
  readonly detail: string | null
  readonly creditsRemaining: number | null
}

export interface SearchReport {
  readonly ref: SearchRef
  readonly request: SearchRequest
  readonly state: SearchState
  readonly failures: number
  readonly death: Death | null
  /** Dead, and discarded from the dead letters. */
  readonly discarded: boolean
  readonly calls: readonly CallReport[]
  readonly answer: string | null
  readonly items: readonly {
    readonly batchId: number
    readonly batchName: string
    readonly position: number
    readonly key: string | null
  }[]
}

export interface RowReport {
  readonly batch: Batch
  readonly position: number
  readonly key: string | null
  readonly row: string
  readonly problem: string | null
  readonly status: RowStatus
  readonly search: SearchReport | null
}

/** The maximum of rows listed with a search: thousands may share one. */
const MOST_ITEMS = 1000

/**
 * Everything about one row or one search. The argument is tried as the user's own id, then as a
 * position, in the given batch (default: the latest). Then it is tried as an id in any other batch,
 * then as a fingerprint.
 */
export async function findRowOrSearch(
  tx: Transaction,
  what: string,
  batchId: number | null,
): Promise<RowReport | SearchReport | null> {
  const item = await findItem(tx, what, batchId)
  if (item !== undefined) return showItem(tx, item)
  const searchId = await searchNamed(tx, what)
  return searchId === null ? null : showSearch(tx, searchId)
}

interface ItemRow {
  readonly batch_id: number
  readonly position: number
  readonly key: string | null
  readonly row: string
  readonly search_id: number | null
  readonly problem: string | null
}

const ITEM_COLUMNS = 'batch_id, position, key, row, search_id, problem'

async function findItem(tx: Transaction, what: string, batchId: number | null): Promise<ItemRow | undefined> {
  const meant = batchId ?? (await visibleBatches(tx, 'order by id desc limit 1'))[0]?.id
  if (meant === undefined || (await visibleBatch(tx, meant)) === undefined) return undefined
  const inMeant = (await byKey(tx, meant, what)) ?? (await byPosition(tx, meant, what))
  if (inMeant !== undefined || batchId !== null) return inMeant
  for (const { id } of await visibleBatches(tx, 'and id <> @meant order by id desc', { meant })) {
    const found = await byKey(tx, id, what)
    if (found !== undefined) return found
  }
  return undefined
}

function byKey(tx: Transaction, batchId: number, key: string): Promise<ItemRow | undefined> {
  const text = `select ${ITEM_COLUMNS} from item where batch_id = @batchId and key = @key order by position limit 1`
  return tx.get<ItemRow>(text, { batchId, key })
}

async function byPosition(tx: Transaction, batchId: number, what: string): Promise<ItemRow | undefined> {
  if (!/^\d{1,12}$/.test(what)) return undefined
  const text = `select ${ITEM_COLUMNS} from item where batch_id = @batchId and position = @position`
  return tx.get<ItemRow>(text, { batchId, position: Number(what) })
}

async function showItem(tx: Transaction, item: ItemRow): Promise<RowReport | null> {
  const batch = await visibleBatch(tx, item.batch_id)
  if (batch === undefined) return null
  const budgets = await readBudgets(tx)
  const found =
    item.search_id === null
      ? undefined
      : await tx.get<{ tracks: number | null; due: number }>(
          `with ${BUDGET_TABLE_SQL}
           select tracks, case when search.state = 'waiting' and not ${IS_DUE_SQL} then 0 else 1 end as due
           from search where id = @searchId`,
          { searchId: item.search_id, budgets: budgetsAsJson(budgets) },
        )
  const search = item.search_id === null ? null : await showSearch(tx, item.search_id)
  return {
    batch,
    position: item.position,
    key: item.key,
    row: item.row,
    problem: item.problem,
    status: rowStatus({
      problem: item.problem,
      search: search === null ? null : { state: search.state, tracks: found?.tracks ?? null },
      batchState: batch.state,
      withheld: found?.due === 0 && mayWithhold(batch, budgets),
    }),
    search,
  }
}

interface SearchRow extends RefColumns, DeathColumns {
  readonly request: string
  readonly state: SearchState
  readonly failures: number
  readonly discarded: number
}

async function showSearch(tx: Transaction, id: number): Promise<SearchReport | null> {
  const row = await tx.get<SearchRow>(
    `select fingerprint, generation, round, request, state, failures, discarded, ${DEATH_COLUMNS}
     from search where id = @id`,
    { id },
  )
  if (row === undefined) return null
  const calls = await tx.all<CallRow>(`select ${CALL_COLUMNS} from call where search_id = @id order by id`, { id })
  const answer = await tx.get<{ body: string }>('select body from answer where search_id = @id', { id })
  return {
    ref: refOf(row),
    request: JSON.parse(row.request) as SearchRequest,
    state: row.state,
    failures: row.failures,
    death: deathOf(row),
    discarded: row.discarded === 1,
    calls: calls.map(callReport),
    // An unreadable answer is stored with its call, and shown if there is nothing better.
    answer: answer?.body ?? calls.findLast((call) => call.unreadable !== null)?.unreadable ?? null,
    items: await tx.all<SearchReport['items'][number]>(
      `select item.batch_id as "batchId", batch.name as "batchName", item.position, item.key
       from item join batch on batch.id = item.batch_id
       where item.search_id = @id and batch.dropping = 0
       order by item.batch_id desc, item.position limit ${MOST_ITEMS}`,
      { id },
    ),
  }
}

/** What is read of a row of `call`. */
export interface CallRow {
  readonly id: number
  readonly attempt: number
  readonly sent_at: number
  readonly finished_at: number | null
  readonly outcome: CallOutcome
  readonly status: number | null
  readonly request_id: string | null
  readonly detail: string | null
  readonly credits_remaining: number | null
  /** The body of an unreadable answer, which may be paid for. */
  readonly unreadable: string | null
}

export const CALL_COLUMNS = [
  'id',
  'attempt',
  'sent_at',
  'finished_at',
  'outcome',
  'status',
  'request_id',
  'detail',
  'credits_remaining',
  'unreadable',
]
  .map((column) => `call.${column}`)
  .join(', ')

export function callReport(row: CallRow): CallReport {
  return {
    callId: row.id,
    attempt: row.attempt,
    sentAt: row.sent_at,
    finishedAt: row.finished_at,
    outcome: row.outcome,
    status: row.status,
    requestId: row.request_id,
    detail: row.detail,
    creditsRemaining: row.credits_remaining,
  }
}

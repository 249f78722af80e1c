import type { Death } from '../domain/dead-letter.js'
import type { CallOutcome } from '../domain/outcome.js'
import type { SearchRequest } from '../domain/request.js'
import type { SearchRef } from '../domain/search-id.js'
import type { RowStatus, SearchState } from '../domain/states.js'
import { type Batch, latestBatch, visibleBatch } from './batch-row.js'
import { readBudgets } from './budget.js'
import { DEATH_COLUMNS } from './dead-filter.js'
import type { Transaction } from './engine.js'
import { rowsAfter, statusOf } from './export-rows.js'
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
  readonly batchId: number
  readonly position: number
  readonly searchId: number | null
}

const ITEM_COLUMNS = 'item.batch_id as "batchId", item.position, item.search_id as "searchId"'

async function findItem(tx: Transaction, what: string, batchId: number | null): Promise<ItemRow | undefined> {
  const meant = batchId === null ? await latestBatch(tx) : await visibleBatch(tx, batchId)
  if (meant === undefined) return undefined
  const byKey = await tx.get<ItemRow>(
    `select ${ITEM_COLUMNS} from batch $next() item $by(item_key) on item.batch_id = batch.id and item.key = @what
     where batch.dropping = 0 and (@batchId = 0 or batch.id = @batchId)
     order by case when batch.id = @meant then 0 else 1 end, batch.id desc, item.position limit 1`,
    { what, batchId: batchId ?? 0, meant: meant.id },
  )
  if (byKey?.batchId === meant.id || !/^\d{1,12}$/.test(what)) return byKey
  const byPosition = await tx.get<ItemRow>(
    `select ${ITEM_COLUMNS} from item where batch_id = @batchId and position = @position`,
    { batchId: meant.id, position: Number(what) },
  )
  return byPosition ?? byKey
}

async function showItem(tx: Transaction, { batchId, position, searchId }: ItemRow): Promise<RowReport | null> {
  const batch = await visibleBatch(tx, batchId)
  if (batch === undefined) return null
  const which = { after: position - 1, limit: 1, withAnswers: false }
  const [item] = await rowsAfter(tx, batch, await readBudgets(tx), which)
  if (item === undefined) return null
  const { key, row, problem } = item
  const search = searchId === null ? null : await showSearch(tx, searchId)
  return { batch, position, key, row, problem, status: statusOf(item, batch), search }
}

interface SearchRow extends RefColumns {
  readonly request: string
  readonly state: SearchState
  readonly failures: number
  readonly discarded: number
}

async function showSearch(tx: Transaction, id: number): Promise<SearchReport | null> {
  const row = await tx.get<SearchRow>(
    'select fingerprint, generation, round, request, state, failures, discarded from search where id = @id',
    { id },
  )
  if (row === undefined) return null
  const death = await tx.get<Death>(`select ${DEATH_COLUMNS} from search where id = @id and state = 'dead'`, { id })
  // An unreadable answer is stored with its call, and shown if there is nothing better.
  const answer = await tx.get<{ body: string | null }>(
    `select coalesce((select body from answer where search_id = @id), (
       select unreadable from call where search_id = @id and unreadable is not null order by id desc limit 1)) as body`,
    { id },
  )
  return {
    ref: refOf(row),
    request: JSON.parse(row.request) as SearchRequest,
    state: row.state,
    failures: row.failures,
    death: death ?? null,
    discarded: row.discarded === 1,
    calls: await tx.all<CallReport>(`select ${CALL_COLUMNS} from call where search_id = @id order by id`, { id }),
    answer: answer?.body ?? null,
    items: await tx.all<SearchReport['items'][number]>(
      `select item.batch_id as "batchId", batch.name as "batchName", item.position, item.key
       from item join batch on batch.id = item.batch_id
       where item.search_id = @id and batch.dropping = 0
       order by item.batch_id desc, item.position limit ${MOST_ITEMS}`,
      { id },
    ),
  }
}

/** Selects a `CallReport` from `call`. */
export const CALL_COLUMNS = `call.id as "callId", call.attempt, call.sent_at as "sentAt",
  call.finished_at as "finishedAt", call.outcome, call.status, call.request_id as "requestId", call.detail,
  call.credits_remaining as "creditsRemaining"`

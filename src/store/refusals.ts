import type { CallOutcome } from '../domain/outcome.js'
import {
  isLimitedAlone,
  isUncompared,
  mostRateLimits,
  mostRefusals,
  NEVER_REFUSED,
  type RefusalHistory,
  wordsInDetail,
} from '../domain/refusals.js'
import type { SearchRef } from '../domain/search-id.js'
import type { Transaction } from './engine.js'
import type { LedgerCall } from './ledger.js'
import { fingerprintBytes, queryOf } from './search-ref.js'
import { getOne } from './sql.js'

/** A search without an outcome that is refused repeatedly with 402 or 429, as if for the whole account. */
export interface RefusedSearch {
  readonly query: string
  /**
   * 402 although the account has credits; or rate limited while others are answered, or with no
   * other search left to compare with.
   */
  readonly kind: 'out_of_credits' | 'rate_limited' | 'rate_limited_uncompared'
  /** The latest refusal. */
  readonly said: { readonly status: number | null; readonly words: string }
  /** How many more refusals make it a dead letter. Null: none will, in the current state. */
  readonly moreRefusals: number | null
}

/**
 * Counts one more refusal, if the search is still in the call's round. For use inside a write
 * transaction.
 */
export function countRefusal(
  tx: Transaction,
  call: LedgerCall & { readonly search_id: number; readonly round: number },
  outcome: CallOutcome,
): void {
  const column = outcome === 'rate_limited' ? 'rate_limits' : 'refusals'
  tx.send(
    `update search set ${column} = ${column} + 1, refused_from = coalesce(refused_from, @callId)
     where id = @searchId and round = @round and state in ('waiting', 'queued')`,
    { callId: call.id, searchId: call.search_id, round: call.round },
  )
}

interface RefusedRow {
  readonly id: number
  readonly rate_limits: number
  readonly refusals: number
  readonly refused_from: number | null
}

export async function refusalHistory(tx: Transaction, { fingerprint, generation }: SearchRef): Promise<RefusalHistory> {
  const search = await tx.get<RefusedRow>(
    `select id, rate_limits, refusals, refused_from from search
     where fingerprint = @fingerprint and generation = @generation`,
    { fingerprint: fingerprintBytes(fingerprint), generation },
  )
  return search === undefined ? NEVER_REFUSED : await historyOf(tx, search)
}

async function historyOf(tx: Transaction, search: RefusedRow): Promise<RefusalHistory> {
  const { rate_limits: rateLimits, refusals } = search
  return { rateLimits, refusals, ...(await othersSince(tx, search)), isAlone: await isAlone(tx, search.id) }
}

/** Only this many of the newest calls are read: enough evidence, and a bounded read. */
const MOST_CALLS = 2000

/**
 * Other searches called since this one's first refusal: answered and never rate limited; rate
 * limited at least once.
 */
async function othersSince(
  tx: Transaction,
  { id, refused_from }: RefusedRow,
): Promise<Pick<RefusalHistory, 'othersAnswered' | 'othersLimited'>> {
  if (refused_from === null) return { othersAnswered: 0, othersLimited: 0 }
  return getOne(
    tx,
    `with other as (
       select max(case when outcome = 'answered' then 1 else 0 end) as is_answered,
         max(case when outcome = 'rate_limited' then 1 else 0 end) as is_limited
       from (select search_id, outcome from call $unindexed() where id > @from order by id desc limit ${MOST_CALLS}) as latest
       where search_id <> @id group by search_id)
     select count(*) filter (where is_answered = 1 and is_limited = 0) as "othersAnswered",
       count(*) filter (where is_limited = 1) as "othersLimited" from other`,
    { from: refused_from, id },
  )
}

async function isAlone(tx: Transaction, id: number): Promise<boolean> {
  const others = (state: 'waiting' | 'queued') =>
    tx.all(`select 1 from search $by(search_${state}) where state = '${state}' and id <> @id limit 1`, { id })
  return (await others('waiting')).length === 0 && (await others('queued')).length === 0
}

/** The maximum that is listed or counted. */
const MOST_NAMED = 50

/**
 * For the status: searches without an outcome that are refused repeatedly, the longest refused
 * first.
 */
export async function refusedSearches(tx: Transaction): Promise<readonly RefusedSearch[]> {
  const rows = await tx.all<RefusedRow & { request: string }>(
    `select id, rate_limits, refusals, refused_from, request from search $by(search_refused)
     where refused_from is not null and state in ('waiting', 'queued') and (refusals > 0 or rate_limits > 1)
     order by refused_from limit ${MOST_NAMED}`,
  )
  const refused: RefusedSearch[] = []
  for (const row of rows) {
    const history = await historyOf(tx, row)
    const isUnpaid = row.refusals > 0
    const isLast = isUncompared(history)
    // Others are limited as well, so it is probably the limit of the API key.
    if (!isUnpaid && !isLimitedAlone(history) && !isLast) continue
    const most = isUnpaid ? mostRefusals(history) : mostRateLimits(history, isLast)
    refused.push({
      query: queryOf(row),
      kind: isUnpaid ? 'out_of_credits' : isLast ? 'rate_limited_uncompared' : 'rate_limited',
      said: await lastRefusal(tx, row.id, isUnpaid ? 'out_of_credits' : 'rate_limited'),
      moreRefusals: Number.isFinite(most) ? Math.max(1, most - (isUnpaid ? row.refusals : row.rate_limits)) : null,
    })
  }
  return refused
}

/** The latest refusal by the API. */
async function lastRefusal(tx: Transaction, searchId: number, outcome: CallOutcome): Promise<RefusedSearch['said']> {
  const call = await tx.get<{ status: number | null; detail: string | null }>(
    'select status, detail from call where search_id = @searchId and outcome = @outcome order by id desc limit 1',
    { searchId, outcome },
  )
  return { status: call?.status ?? null, words: wordsInDetail(call?.detail ?? '') }
}

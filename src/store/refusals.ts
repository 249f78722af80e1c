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
import type { SearchRequest } from '../domain/request.js'
import type { Connection } from './connection.js'
import type { LedgerCall } from './ledger.js'
import type { RefusedSearch } from './report.js'

/**
 * Searches that are refused as if the whole account were: how often, and how other searches fared
 * meanwhile.
 */

/**
 * Counts one more refusal, if the search is still in the call's round. For use inside a write
 * transaction.
 */
export function countRefusal(
  connection: Connection,
  call: LedgerCall & { readonly search_id: number; readonly round: number },
  outcome: CallOutcome,
): void {
  const column = outcome === 'rate_limited' ? 'rate_limits' : 'refusals'
  connection.run(
    `update search set ${column} = ${column} + 1, refused_from = coalesce(refused_from, ?)
     where id = ? and round = ? and state in ('waiting', 'queued')`,
    [call.id, call.search_id, call.round],
  )
}

interface RefusedRow {
  readonly id: number
  readonly rate_limits: number
  readonly refusals: number
  readonly refused_from: number | null
}

export function refusalHistory(connection: Connection, callId: number): RefusalHistory {
  const search = connection.get<RefusedRow>(
    `select search.id, search.rate_limits, search.refusals, search.refused_from
     from call join search on search.id = call.search_id where call.id = ?`,
    [callId],
  )
  return search === undefined ? NEVER_REFUSED : historyOf(connection, search)
}

function historyOf(connection: Connection, search: RefusedRow): RefusalHistory {
  const { answered, limited } = othersSince(connection, search)
  return {
    rateLimits: search.rate_limits,
    refusals: search.refusals,
    othersAnswered: answered,
    othersLimited: limited,
    isAlone: isAlone(connection, search.id),
  }
}

/** Only this many of the newest calls are read: enough evidence, and a bounded read. */
const MOST_CALLS = 2000

/**
 * Other searches called since this one's first refusal: answered and never rate limited; rate
 * limited at least once.
 */
function othersSince(
  connection: Connection,
  { id, refused_from }: RefusedRow,
): { readonly answered: number; readonly limited: number } {
  if (refused_from === null) return { answered: 0, limited: 0 }
  return (
    connection.get<{ answered: number; limited: number }>(
      `with other as (
         select max(outcome = 'answered') as is_answered, max(outcome = 'rate_limited') as is_limited
         from (select search_id, outcome from call not indexed where id > ? order by id desc limit ${MOST_CALLS})
         where search_id <> ? group by search_id)
       select count(*) filter (where is_answered and not is_limited) as answered,
         count(*) filter (where is_limited) as limited from other`,
      [refused_from, id],
    ) ?? { answered: 0, limited: 0 }
  )
}

function isAlone(connection: Connection, searchId: number): boolean {
  const other = (state: 'waiting' | 'queued'): boolean =>
    connection.get(`select 1 from search indexed by search_${state} where state = '${state}' and id <> ? limit 1`, [
      searchId,
    ]) !== undefined
  return !other('waiting') && !other('queued')
}

/** The maximum that is listed or counted. */
const MOST_NAMED = 50

/**
 * For the status: searches without an outcome that are refused repeatedly, the longest refused
 * first.
 */
export function refusedSearches(reader: Connection): readonly RefusedSearch[] {
  const rows = reader.all<RefusedRow & { request: string }>(
    `select id, rate_limits, refusals, refused_from, request from search indexed by search_refused
     where refused_from is not null and state in ('waiting', 'queued') and (refusals > 0 or rate_limits > 1)
     order by refused_from limit ${MOST_NAMED}`,
  )
  return rows.flatMap((row) => {
    const history = historyOf(reader, row)
    const isUnpaid = row.refusals > 0
    const isLast = isUncompared(history)
    const most = isUnpaid ? mostRefusals(history) : mostRateLimits(history, isLast)
    // Others are limited as well, so it is probably the limit of the API key.
    if (!isUnpaid && !isLimitedAlone(history) && !isLast) return []
    return [
      {
        query: (JSON.parse(row.request) as SearchRequest).query,
        kind: isUnpaid ? 'out_of_credits' : isLast ? 'rate_limited_last' : 'rate_limited',
        said: lastRefusal(reader, row.id, isUnpaid ? 'out_of_credits' : 'rate_limited'),
        moreRefusals: Number.isFinite(most) ? Math.max(1, most - (isUnpaid ? row.refusals : row.rate_limits)) : null,
      } as const,
    ]
  })
}

/** The latest refusal by the API. */
function lastRefusal(reader: Connection, searchId: number, outcome: CallOutcome): RefusedSearch['said'] {
  const call = reader.get<{ status: number | null; detail: string | null }>(
    'select status, detail from call where search_id = ? and outcome = ? order by id desc limit 1',
    [searchId, outcome],
  )
  return { status: call?.status ?? null, words: wordsInDetail(call?.detail ?? '') }
}

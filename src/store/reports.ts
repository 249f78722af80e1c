import { CALL_OUTCOMES, type CallOutcome } from '../domain/outcome.js'
import type { SearchRequest } from '../domain/request.js'
import { batchReport } from './batch-report.js'
import { standingBatches } from './batch-row.js'
import { budgets } from './budget.js'
import { type CallRow, callReport } from './call-report.js'
import type { Connection, SqlParameters, Transaction } from './connection.js'
import { unknownSeen } from './control-state.js'
import { dueSearches } from './due-count.js'
import { exportRows } from './export-rows.js'
import { batchOutcome, deadLetterGroups, invalidGroups, searchesByQuery, someAnswers } from './findings.js'
import { refusedSearches } from './refusals.js'
import type { BatchReport, Reports, Totals } from './report.js'
import { searchName } from './search-ref.js'
import { show } from './show.js'

const A_MINUTE_MS = 60_000

/**
 * Expensive reads for command line, client and board, on a read-only connection. A worker makes
 * none of these.
 */
export function reports(reader: Connection): Reports {
  return {
    batches: ({ batchId, limit }) =>
      reader.read(async (tx) => {
        const condition = batchId === undefined ? '' : 'and id = @batchId'
        const rows = await standingBatches(tx, `${condition} order by completed_at is not null, id desc limit @limit`, {
          limit,
          ...(batchId === undefined ? {} : { batchId }),
        })
        const now = await budgets(tx)
        const list: BatchReport[] = []
        for (const row of rows.toSorted((a, b) => b.id - a.id)) list.push(await batchReport(tx, row, now))
        return list
      }),
    totals: (now) => reader.read((tx) => totals(tx, now)),
    unknownOutcomes: (limit) => reader.read((tx) => unknownOutcomes(tx, limit)),
    show: (what, batchId) => reader.read((tx) => show(tx, what, batchId)),
    deadLetterGroups: (filter) => reader.read((tx) => deadLetterGroups(tx, filter)),
    invalidGroups: (batchId) => reader.read((tx) => invalidGroups(tx, batchId)),
    searchesByQuery: (text, limit) => reader.read((tx) => searchesByQuery(tx, text, limit)),
    batchOutcome: (batchId) => reader.read((tx) => batchOutcome(tx, batchId)),
    someAnswers: (batchId, limit) => reader.read((tx) => someAnswers(tx, batchId, limit)),
    exportRows: (batchId, options) => exportRows(reader, batchId, options),
  }
}

async function totals(tx: Transaction, now: number): Promise<Totals> {
  const callsByOutcome = Object.fromEntries(CALL_OUTCOMES.map((outcome) => [outcome, 0])) as Record<CallOutcome, number>
  const counts = await tx.all<{ outcome: CallOutcome; calls: number }>('select outcome, calls from call_count')
  for (const row of counts) callsByOutcome[row.outcome] = row.calls
  const counted = async (text: string, parameters: SqlParameters = {}): Promise<number> =>
    (await tx.get<{ n: number }>(text, parameters))?.n ?? 0
  return {
    due: await dueSearches(tx, await budgets(tx)),
    deadLetters: await counted(
      "select count(*) as n from search $by(search_dead) where state = 'dead' and discarded = 0",
    ),
    spent: callsByOutcome.answered + callsByOutcome.unreadable,
    unknownOutcomes: callsByOutcome.unknown,
    // One that is heard of after all lowers the count, so one too few may be told.
    unknownUnseen: Math.max(0, callsByOutcome.unknown - (await unknownSeen(tx))),
    callsByOutcome,
    callsLastMinute: await counted('select count(*) as n from call where sent_at > @since', {
      since: now - A_MINUTE_MS,
    }),
    refused: await refusedSearches(tx),
    rateLimitedCalls: await rateLimitedCalls(tx),
    failedCalls: await failedCalls(tx),
  }
}

/** The maximum that is counted. */
const LONGEST_ROW = 200

interface FinishedCall {
  readonly outcome: CallOutcome
  readonly finished_at: number
  readonly detail: string | null
}

/** The latest calls in a row that ended with one of these outcomes, newest first. */
async function latestCalls(tx: Transaction, outcomes: readonly CallOutcome[]): Promise<readonly FinishedCall[]> {
  const calls = await tx.all<FinishedCall>(
    `select outcome, finished_at, detail from call $unindexed()
     where finished_at is not null order by id desc limit ${LONGEST_ROW}`,
  )
  const other = calls.findIndex(({ outcome }) => !outcomes.includes(outcome))
  return other < 0 ? calls : calls.slice(0, other)
}

async function rateLimitedCalls(tx: Transaction): Promise<Totals['rateLimitedCalls']> {
  const ends = (await latestCalls(tx, ['rate_limited'])).map((call) => call.finished_at)
  return ends.length === 0 ? null : { calls: ends.length, from: Math.min(...ends), to: Math.max(...ends) }
}

async function failedCalls(tx: Transaction): Promise<Totals['failedCalls']> {
  const calls = await latestCalls(tx, ['transient', 'unknown'])
  const [latest] = calls
  return latest === undefined ? null : { calls: calls.length, reason: latest.detail ?? '' }
}

async function unknownOutcomes(tx: Transaction, limit: number): ReturnType<Reports['unknownOutcomes']> {
  const rows = await tx.all<CallRow & { fingerprint: Buffer; generation: number; request: string }>(
    `select call.*, search.fingerprint, search.generation, search.request
     from call $by(call_unknown) $next() search on search.id = call.search_id
     where call.outcome = 'unknown' order by call.id desc limit @limit`,
    { limit },
  )
  return rows.map((row) => ({
    call: callReport(row),
    search: searchName(row),
    query: (JSON.parse(row.request) as SearchRequest).query,
  }))
}

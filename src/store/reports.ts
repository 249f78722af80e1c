import { CALL_OUTCOMES, type CallOutcome } from '../domain/outcome.js'
import type { SearchRequest } from '../domain/request.js'
import { batchReport } from './batch-report.js'
import { standingBatches } from './batch-row.js'
import { budgets } from './budget.js'
import { type CallRow, callReport } from './call-report.js'
import { build, type Connection } from './connection.js'
import { dueSearches } from './due-count.js'
import { exportRows } from './export-rows.js'
import { batchOutcome, deadLetterGroups, invalidGroups, searchesByQuery, someAnswers } from './findings.js'
import { refusedSearches } from './refusals.js'
import type { Reports, Totals } from './report.js'
import { searchName } from './search-ref.js'
import { show } from './show.js'

const A_MINUTE_MS = 60_000

/**
 * Expensive reads for command line, client and board, on a read-only connection. A worker makes
 * none of these.
 */
export function reports(reader: Connection, openReader: () => Connection): Reports {
  return {
    batches: async ({ batchId, limit }) =>
      reader.read(() => {
        const all = standingBatches()
          .orderBy(({ eb }) => eb('completed_at', 'is not', null))
          .orderBy('id', 'desc')
          .limit(limit)
        const rows = reader.rows(batchId === undefined ? all : all.where('id', '=', batchId))
        const now = budgets(reader)
        return rows.toSorted((a, b) => b.id - a.id).map((row) => batchReport(reader, row, now))
      }),
    totals: async (now) => reader.read(() => totals(reader, now)),
    unknownOutcomes: async (limit) => reader.read(() => unknownOutcomes(reader, limit)),
    show: async (what, batchId) => reader.read(() => show(reader, what, batchId)),
    deadLetterGroups: (filter) => deadLetterGroups(reader, filter),
    invalidGroups: (batchId) => invalidGroups(reader, batchId),
    searchesByQuery: (text, limit) => searchesByQuery(reader, text, limit),
    batchOutcome: (batchId) => batchOutcome(reader, batchId),
    someAnswers: (batchId, limit) => someAnswers(reader, batchId, limit),
    exportRows: (batchId) => exportRows(openReader, batchId),
  }
}

function totals(reader: Connection, now: number): Totals {
  const callsByOutcome = Object.fromEntries(CALL_OUTCOMES.map((outcome) => [outcome, 0])) as Record<CallOutcome, number>
  for (const row of reader.rows(build.selectFrom('call_count').selectAll())) callsByOutcome[row.outcome] = row.calls
  const counted = (text: string, parameters: readonly number[] = []): number =>
    reader.get<{ n: number }>(text, parameters)?.n ?? 0
  return {
    due: dueSearches(reader, budgets(reader)),
    deadLetters: counted(
      "select count(*) as n from search indexed by search_dead where state = 'dead' and discarded = 0",
    ),
    spent: callsByOutcome.answered + callsByOutcome.unreadable,
    unknownOutcomes: callsByOutcome.unknown,
    callsByOutcome,
    callsLastMinute: counted('select count(*) as n from call where sent_at > ?', [now - A_MINUTE_MS]),
    refused: refusedSearches(reader),
    rateLimitedCalls: rateLimitedCalls(reader),
    failedCalls: failedCalls(reader),
  }
}

/** The maximum that is counted. */
const LONGEST_ROW = 200

function rateLimitedCalls(reader: Connection): Totals['rateLimitedCalls'] {
  const ends: number[] = []
  const latest = reader.iterate<{ outcome: CallOutcome; finished_at: number }>(
    `select outcome, finished_at from call not indexed where finished_at is not null order by id desc limit ${LONGEST_ROW}`,
  )
  for (const { outcome, finished_at } of latest) {
    if (outcome !== 'rate_limited') break
    ends.push(finished_at)
  }
  return ends.length === 0 ? null : { calls: ends.length, from: Math.min(...ends), to: Math.max(...ends) }
}

function failedCalls(reader: Connection): Totals['failedCalls'] {
  const reasons: string[] = []
  const latest = reader.iterate<{ outcome: CallOutcome; detail: string | null }>(
    `select outcome, detail from call not indexed where finished_at is not null order by id desc limit ${LONGEST_ROW}`,
  )
  for (const { outcome, detail } of latest) {
    if (outcome !== 'transient' && outcome !== 'unknown') break
    reasons.push(detail ?? '')
  }
  const [reason] = reasons
  return reason === undefined ? null : { calls: reasons.length, reason }
}

function unknownOutcomes(reader: Connection, limit: number): Awaited<ReturnType<Reports['unknownOutcomes']>> {
  return reader
    .all<CallRow & { fingerprint: Buffer; generation: number; request: string }>(
      `select call.*, search.fingerprint, search.generation, search.request
       from call indexed by call_unknown cross join search on search.id = call.search_id
       where call.outcome = 'unknown' order by call.id desc limit ?`,
      [limit],
    )
    .map((row) => ({
      call: callReport(row),
      search: searchName(row),
      query: (JSON.parse(row.request) as SearchRequest).query,
    }))
}

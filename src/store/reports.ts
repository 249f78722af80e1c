import { CALL_OUTCOMES, type CallOutcome } from '../domain/outcome.js'
import { PRIORITIES } from '../domain/states.js'
import { type BatchReport, batchReport } from './batch-report.js'
import { creditsNeeded, visibleBatches } from './batch-row.js'
import { type Budget, dueSearches, readBudgets, UNFINISHED_FIRST_SQL } from './budget.js'
import type { DeadFilter } from './dead-filter.js'
import { type Connection, mutex, type Transaction } from './engine.js'
import type { ExportOptions, ExportRow } from './export-rows.js'
import { exportRows } from './export-rows.js'
import {
  type BatchOutcome,
  batchOutcome,
  type DeadLetterGroup,
  deadLetterGroups,
  type FoundSearch,
  type InvalidGroup,
  invalidGroups,
  sampleAnswers,
  searchesByQuery,
} from './findings.js'
import { countOf, type FinishedCall, latestFinished } from './ledger.js'
import { readMeta } from './meta.js'
import type { RefusedSearch } from './refusals.js'
import { refusedSearches } from './refusals.js'
import type { CallReport, RowReport, SearchReport } from './row-report.js'
import { CALL_COLUMNS, findRowOrSearch } from './row-report.js'
import { type NameColumns, namesOf } from './search-ref.js'
import { getNumber } from './sql.js'

export interface Totals {
  /**
   * Searches that are due: wanted by a released batch with budget left, without an outcome, in
   * Redis or not.
   */
  readonly due: number
  readonly deadLetters: number
  /** Calls answered with 200 (answered and unreadable). */
  readonly spent: number
  readonly unknownOutcomes: number
  /** Of these, the ones that nobody has looked at; see `seeUnknown`. */
  readonly unknownUnseen: number
  readonly callsByOutcome: Readonly<Record<CallOutcome, number>>
  readonly callsLastMinute: number
  /** The longest refused first, 50 at most. */
  readonly refused: readonly RefusedSearch[]
  /**
   * How many of the latest calls in a row were rate limited, 200 at most. Null: the latest was not.
   */
  readonly rateLimitStreak: { readonly calls: number; readonly from: number; readonly to: number } | null
  /** The latest calls that failed without another outcome between them, 200 at most, and why the last did; null: it did not. */
  readonly failureStreak: { readonly calls: number; readonly reason: string } | null
}

export interface WhichBatches {
  readonly batchId?: number
  readonly limit: number
  /** How many come before them. Default: none. */
  readonly offset?: number
  /** While a cap has credits left, count the rows that it withholds as waiting. Saves a scan of every search. */
  readonly withheldAsWaiting?: boolean
}

/** What a released batch still needs. */
export interface BatchNeed {
  readonly batchId: number
  /** See `creditsNeeded` of a report. */
  readonly credits: number
  /** Calls charged to it in the last minute. */
  readonly callsLastMinute: number
}

/** Calls of unknown outcome. */
export interface UnknownCounts {
  readonly all: number
  /** Those that nobody has looked at. */
  readonly unseen: number
}

export interface UnknownSearches {
  readonly count: number
  readonly searches: readonly {
    readonly search: string
    readonly query: string
    readonly calls: number
    readonly lastAt: number
  }[]
}

export interface Reports {
  /**
   * Unfinished ones first: those that may run, in the order in which they are fed, then the others, the latest first.
   * Then finished ones, the last to finish first.
   */
  batches(which: WhichBatches): Promise<readonly BatchReport[]>
  /** How many there are. */
  batchCount(): Promise<number>
  totals(now: number): Promise<Totals>
  callsByOutcome(): Promise<Totals['callsByOutcome']>
  /**
   * All three in one look. A large capped batch is counted once for them. `needs`: released batches, the ones whose
   * searches run first in front.
   */
  look(
    which: WhichBatches,
    now: number,
  ): Promise<{
    readonly batches: readonly BatchReport[]
    readonly totals: Totals
    readonly needs: readonly BatchNeed[]
  }>
  /** Latest first. */
  batchNames(limit: number): Promise<readonly { readonly id: number; readonly name: string }[]>
  /** `unknownOutcomes` and `unknownUnseen` of `Totals`. */
  unknownCounts(): Promise<UnknownCounts>
  /** Calls of unknown outcome, newest first. */
  unknownOutcomes(
    limit: number,
  ): Promise<readonly { readonly call: CallReport; readonly search: string; readonly query: string }[]>
  /** The searches of the latest calls of unknown outcome, at most `limit` of them, newest first; and how many there are. */
  unknownSearches(calls: number, limit: number): Promise<UnknownSearches>
  /**
   * By the user's id, the position, or a fingerprint (or a unique prefix of it, of 6 digits or
   * more; `-<generation>` selects one generation). Null: no match. Throws `UsageError` when several
   * match. Lists 1,000 rows at most.
   */
  show(what: string, batchId: number | null): Promise<RowReport | SearchReport | null>
  /** Dead letters by cause, the largest group first. */
  deadLetterGroups(filter: DeadFilter): Promise<readonly DeadLetterGroup[]>
  /** Invalid rows by cause, the most frequent first. */
  invalidGroups(batchId: number): Promise<readonly InvalidGroup[]>
  /** Searches whose query contains the text, latest first. Reads every request, in pieces: for one person, not for a loop. */
  searchesByQuery(text: string, limit: number): Promise<readonly FoundSearch[]>
  /** The result of a batch. Reads every call: for a report, not for a page that refreshes. */
  batchOutcome(batchId: number): Promise<BatchOutcome>
  /** Bodies of answers spread over the batch, at most `limit`. */
  someAnswers(batchId: number, limit: number): Promise<readonly string[]>
  /**
   * Reads on its own read-only connection, with constant memory. One snapshot, unless it takes
   * longer than half a minute.
   */
  exportRows(batchId: number, options?: ExportOptions): AsyncIterable<ExportRow>
}

const A_MINUTE_MS = 60_000

/** Expensive reads, on a read-only connection: no claim and no commit of this process waits for them. */
export function reports(reader: Connection): Reports {
  const oneByOne = mutex()
  return {
    batches: (which) => reader.read(async (tx) => batchReports(tx, which, await readBudgets(tx))),
    batchCount: () => reader.read((tx) => getNumber(tx, 'select count(*) as n from batch where dropping = 0')),
    callsByOutcome: () => reader.read(callsByOutcome),
    totals: (now) => reader.read(async (tx) => totals(tx, now, await readBudgets(tx))),
    look: (which, now) =>
      reader.read(async (tx) => {
        const budgets = await readBudgets(tx)
        return {
          batches: await batchReports(tx, which, budgets),
          totals: await totals(tx, now, budgets),
          needs: await needs(tx, now),
        }
      }),
    batchNames: (limit) =>
      reader.read((tx) =>
        tx.all('select id, name from batch where dropping = 0 order by id desc limit @limit', { limit }),
      ),
    unknownCounts: () => reader.read(unknownCounts),
    unknownOutcomes: (limit) => reader.read((tx) => unknownOutcomes(tx, limit)),
    unknownSearches: (calls, limit) => reader.read((tx) => unknownSearches(tx, calls, limit)),
    show: (what, batchId) => reader.read((tx) => findRowOrSearch(tx, what, batchId)),
    deadLetterGroups: (filter) => reader.read((tx) => deadLetterGroups(tx, filter)),
    invalidGroups: (batchId) => reader.read((tx) => invalidGroups(tx, batchId)),
    searchesByQuery: (text, limit) => oneByOne(() => searchesByQuery(reader, text, limit)),
    batchOutcome: (batchId) => reader.read((tx) => batchOutcome(tx, batchId)),
    someAnswers: (batchId, limit) => reader.read((tx) => sampleAnswers(tx, batchId, limit)),
    exportRows: (batchId, options) => exportRows(reader, batchId, options),
  }
}

async function batchReports(
  tx: Transaction,
  { batchId, limit, offset = 0, withheldAsWaiting = false }: WhichBatches,
  budgets: readonly Budget[],
): Promise<readonly BatchReport[]> {
  const condition = batchId === undefined ? '' : 'and id = @batchId'
  const rows = await visibleBatches(tx, `${condition} order by ${UNFINISHED_FIRST_SQL} limit @limit offset @offset`, {
    limit,
    offset,
    ...(batchId === undefined ? {} : { batchId }),
  })
  const list: BatchReport[] = []
  for (const row of rows) list.push(await batchReport(tx, row, budgets, withheldAsWaiting))
  return list
}

async function unknownCounts(tx: Transaction): Promise<UnknownCounts> {
  const all = await countOf(tx, 'unknown')
  return { all, unseen: all - Number(await readMeta(tx, 'unknown_seen')) }
}

async function callsByOutcome(tx: Transaction): Promise<Totals['callsByOutcome']> {
  const calls = Object.fromEntries(CALL_OUTCOMES.map((outcome) => [outcome, 0])) as Record<CallOutcome, number>
  const counts = await tx.all<{ outcome: CallOutcome; calls: number }>('select outcome, calls from call_count')
  for (const row of counts) calls[row.outcome] = row.calls
  return calls
}

async function totals(tx: Transaction, now: number, budgets: readonly Budget[]): Promise<Totals> {
  const calls = await callsByOutcome(tx)
  const latest = await latestFinished(tx)
  return {
    due: await dueSearches(tx, budgets),
    deadLetters: await getNumber(
      tx,
      "select count(*) as n from search $by(search_dead) where state = 'dead' and discarded = 0",
    ),
    spent: calls.answered + calls.unreadable,
    unknownOutcomes: calls.unknown,
    unknownUnseen: (await unknownCounts(tx)).unseen,
    callsByOutcome: calls,
    callsLastMinute: await getNumber(tx, 'select count(*) as n from call where sent_at > @since', {
      since: now - A_MINUTE_MS,
    }),
    refused: await refusedSearches(tx),
    rateLimitStreak: rateLimitStreak(latest),
    failureStreak: failureStreak(latest),
  }
}

async function needs(tx: Transaction, now: number): Promise<readonly BatchNeed[]> {
  const rows = await visibleBatches(tx, "and state = 'released' and completed_at is null order by id")
  const calls = await tx.all<{ id: number; calls: number }>(
    'select batch_id as id, count(*) as calls from call where sent_at > @since group by batch_id',
    { since: now - A_MINUTE_MS },
  )
  const callsOf = new Map(calls.map((row) => [row.id, row.calls]))
  return PRIORITIES.flatMap((priority) => rows.filter((row) => row.priority === priority)).map((row) => ({
    batchId: row.id,
    credits: creditsNeeded(row),
    callsLastMinute: callsOf.get(row.id) ?? 0,
  }))
}

/** The latest calls in a row that ended with one of these outcomes, newest first. */
function streakOf(latest: readonly FinishedCall[], outcomes: readonly CallOutcome[]): readonly FinishedCall[] {
  const other = latest.findIndex(({ outcome }) => !outcomes.includes(outcome))
  return other < 0 ? latest : latest.slice(0, other)
}

function rateLimitStreak(latest: readonly FinishedCall[]): Totals['rateLimitStreak'] {
  const ends = streakOf(latest, ['rate_limited']).map((call) => call.finished_at)
  return ends.length === 0 ? null : { calls: ends.length, from: Math.min(...ends), to: Math.max(...ends) }
}

function failureStreak(latest: readonly FinishedCall[]): Totals['failureStreak'] {
  const calls = streakOf(latest, ['transient', 'unknown'])
  const [last] = calls
  return last === undefined ? null : { calls: calls.length, reason: last.detail ?? '' }
}

async function unknownOutcomes(tx: Transaction, limit: number): ReturnType<Reports['unknownOutcomes']> {
  const rows = await tx.all<CallReport & NameColumns>(
    `select ${CALL_COLUMNS}, search.fingerprint, search.generation, search.request
     from call $by(call_unknown) $next() search on search.id = call.search_id
     where call.outcome = 'unknown' order by call.id desc limit @limit`,
    { limit },
  )
  return rows.map(({ fingerprint, generation, request, ...call }) => ({
    call,
    ...namesOf({ fingerprint, generation, request }),
  }))
}

async function unknownSearches(tx: Transaction, calls: number, limit: number): Promise<UnknownSearches> {
  const rows = await tx.all<NameColumns & { calls: number; lastAt: number; count: number }>(
    `select search.fingerprint, search.generation, search.request, latest.calls, latest.last_at as "lastAt", latest.count
     from (
       select search_id, count(*) as calls, max(sent_at) as last_at, max(id) as last_id, count(*) over () as count
       from (
         select id, search_id, sent_at from call $by(call_unknown)
         where outcome = 'unknown' order by id desc limit @calls
       ) as calls
       group by search_id order by max(id) desc limit @limit
     ) as latest join search on search.id = latest.search_id
     order by latest.last_id desc`,
    { calls, limit },
  )
  return {
    count: rows[0]?.count ?? 0,
    searches: rows.map((row) => ({ ...namesOf(row), calls: row.calls, lastAt: row.lastAt })),
  }
}

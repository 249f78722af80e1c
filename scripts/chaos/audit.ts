import { readAnswer } from '../../src/domain/answer.js'
import type { CallOutcome } from '../../src/domain/outcome.js'
import type { SearchRequest } from '../../src/domain/request.js'
import type { SearchRef } from '../../src/domain/search-id.js'
import type { SearchState } from '../../src/domain/states.js'
import { TAGS_RULE } from '../../src/domain/tags.js'
import type { Transaction } from '../../src/store/engine.js'
import type { OpenOptions } from '../../src/store/open-store.js'
import { readDatabaseUrl } from '../../src/store/postgres/address.js'
import { openConnection as openPostgres } from '../../src/store/postgres/connection.js'
import { type RefColumns, refOf } from '../../src/store/search-ref.js'
import { openConnection as openSqlite } from '../../src/store/sqlite/connection.js'

/**
 * The whole store, read by SQL of its own and none of the program's queries, so that the chaos run and tests can compare
 * the two: every search, every call, the engine's check of its own files, and every counter counted again. Read-only,
 * from one snapshot. The store must fit into memory.
 */
export interface Audit {
  /**
   * What `integrity_check` and `foreign_key_check` found (for PostgreSQL: `serverDamage`), and stored tags that do not
   * follow from their answer. Empty: the store is sound.
   */
  readonly damage: readonly string[]
  /** Counters that differ from a fresh count, and searches whose state does not match whether they have an answer. */
  readonly miscounts: readonly string[]
  readonly searches: readonly AuditedSearch[]
  /** In the order in which they were sent. */
  readonly calls: readonly AuditedCall[]
}

export interface AuditedSearch {
  readonly ref: SearchRef
  readonly query: string
  readonly state: SearchState
  readonly hasAnswer: boolean
  readonly discarded: boolean
}

export interface AuditedCall {
  readonly id: number
  readonly query: string
  readonly round: number
  readonly sentAt: number
  /** Null while the call is open, or if nobody heard its end. */
  readonly finishedAt: number | null
  readonly outcome: CallOutcome
  readonly detail: string | null
}

/**
 * @param serverDamage checks the files of a PostgreSQL server
 * @throws what SQLite throws for a file that is missing or no database
 */
export async function auditStore(
  { path, database }: Pick<OpenOptions, 'path' | 'database'>,
  serverDamage?: () => Promise<readonly string[]>,
): Promise<Audit> {
  const connection = database === undefined ? openSqlite(path, 'read') : openPostgres(readDatabaseUrl(database), 'read')
  try {
    return await connection.read(async (tx) => ({
      damage: [...(await (serverDamage?.() ?? damageIn(tx))), ...(await wrongTagsIn(tx))],
      miscounts: await miscountsIn(tx),
      searches: (await tx.all<SearchRow>(SEARCHES)).map((row) => ({
        ref: refOf(row),
        query: queryOf(row.request),
        state: row.state,
        hasAnswer: row.has_answer === 1,
        discarded: row.discarded === 1,
      })),
      calls: (await tx.all<CallRow>(CALLS)).map(({ request, sent_at, finished_at, ...call }) => ({
        ...call,
        query: queryOf(request),
        sentAt: sent_at,
        finishedAt: finished_at,
      })),
    }))
  } finally {
    await connection.close()
  }
}

async function damageIn(tx: Transaction): Promise<readonly string[]> {
  const problems = await tx.all<{ integrity_check: string }>('pragma integrity_check')
  const orphans = await tx.all<{ table: string; parent: string }>('pragma foreign_key_check')
  return [
    ...problems.map((row) => row.integrity_check).filter((line) => line !== 'ok'),
    ...orphans.map((row) => `a row of ${row.table} refers to a missing row of ${row.parent}`),
  ]
}

/** Stored tags of the current rule that do not follow from their answer. */
async function wrongTagsIn(tx: Transaction): Promise<readonly string[]> {
  const found: string[] = []
  for (let after = 0; ; ) {
    const rows = await tx.all<{ search_id: number; json: string; body: string }>(
      `select search_id, json, body from tagging join answer using (search_id)
       where rule = @rule and search_id > @after order by search_id limit 500`,
      { rule: TAGS_RULE, after },
    )
    for (const { search_id, json, body } of rows)
      if (json !== JSON.stringify(readAnswer(body)?.tagging))
        found.push(`the tags of search ${search_id} do not follow from its answer`)
    const last = rows.at(-1)
    if (last === undefined) return found
    after = last.search_id
  }
}

async function miscountsIn(tx: Transaction): Promise<readonly string[]> {
  const found: string[] = []
  for (const text of MISCOUNTS)
    for (const { what, kept, counted } of await tx.all<Miscount>(text))
      found.push(`${what}: stored as ${kept}, counted ${counted}`)
  return found
}

interface Miscount {
  readonly what: string
  readonly kept: number
  readonly counted: number
}

interface SearchRow extends RefColumns {
  readonly request: string
  readonly state: SearchState
  readonly has_answer: number
  readonly discarded: number
}

interface CallRow {
  readonly id: number
  readonly request: string
  readonly round: number
  readonly sent_at: number
  readonly finished_at: number | null
  readonly outcome: CallOutcome
  readonly detail: string | null
}

function queryOf(request: string): string {
  return (JSON.parse(request) as SearchRequest).query
}

const SEARCHES = `select fingerprint, generation, round, request, state, discarded,
    exists (select 1 from answer where answer.search_id = search.id) as has_answer
  from search order by id`

const CALLS = `select call.id, search.request, call.round, call.sent_at, call.finished_at, call.outcome, call.detail
  from call join search on search.id = call.search_id order by call.sent_at, call.id`

const ITEMS_WITH =
  'from item join search on search.id = item.search_id where item.batch_id = batch.id and item.problem is null and'

/** One query per counter. Each returns the rows whose stored counter differs from a fresh count. */
const MISCOUNTS: readonly string[] = [
  counter('items', 'from item where item.batch_id = batch.id'),
  counter('invalid', 'from item where item.batch_id = batch.id and item.problem is not null'),
  counter('tagged', `${ITEMS_WITH} search.state = 'answered' and search.tracks > 0`),
  counter('no_match', `${ITEMS_WITH} search.state = 'answered' and search.tracks = 0`),
  counter('dead', `${ITEMS_WITH} search.state = 'dead'`),
  counter(
    'pending',
    `from want join search on search.id = want.search_id
     where want.batch_id = batch.id and search.state in ('waiting', 'queued')`,
  ),
  counter(
    'charged',
    `from call where call.batch_id = batch.id and call.outcome in ('sent', 'unknown', 'answered', 'unreadable')`,
  ),
  different(`select 'calls ' || outcome as what, calls as kept,
     (select count(*) from call where call.outcome = call_count.outcome) as counted
   from call_count`),
  different(`select 'answers of search ' || id || ' (' || state || ')' as what, state = 'answered' as kept,
     exists (select 1 from answer where answer.search_id = search.id) as counted
   from search`),
]

function counter(column: string, counting: string): string {
  return different(`select 'batch ' || id || ' ' || '${column}' as what, ${column} as kept,
      (select count(*) ${counting}) as counted
    from batch where dropping = 0`)
}

function different(counts: string): string {
  return `select * from (${counts}) as counts where kept <> counted`
}

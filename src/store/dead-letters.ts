import type { DeadLetter, Death } from '../domain/dead-letter.js'
import type { SearchRef } from '../domain/search-id.js'
import { BUDGET_TABLE_SQL, budgetsAsJson, IS_DUE_SQL, readBudgets } from './budget.js'
import { and, type Condition, DEATH_COLUMNS, type DeadFilter, LISTED, MAYBE_PAID_SQL, matching } from './dead-filter.js'
import type { Connection, SqlParameters, Transaction } from './engine.js'
import { firstRows, type RowName } from './findings.js'
import { idsOf, namesOf, type RefColumns, refOf, searchesAmong } from './search-ref.js'
import { getNumber, getOne } from './sql.js'
import { markDead, retryDead } from './transitions.js'

export interface RetryPrice {
  /** Each is called again, so this may cost as many credits. */
  readonly searches: number
  /** How many of them may be paid for already, and would be bought again: see `DeadLetter.maybe_paid`. */
  readonly maybePaid: number
}

/** The result of a retry of dead letters. */
export interface Retried {
  readonly retried: number
  /** How many of these a batch can pay for: they will be called. */
  readonly due: number
  /** Not due, but wanted by a batch whose cap is used up. No released batch wants the rest. */
  readonly withheld: number
  /** How many of these may already be paid for: see `DeadLetter.maybe_paid`. */
  readonly maybePaid: number
}

export const NOTHING_RETRIED: Retried = { retried: 0, due: 0, withheld: 0, maybePaid: 0 }

export interface DeadLetterEntry {
  readonly ref: SearchRef
  readonly letter: DeadLetter
  /** The first few rows with this search, those of the latest batch first. */
  readonly rows: readonly RowName[]
}

/**
 * The last dead letter of a page. The next page starts after it, even if some left the list
 * meanwhile.
 */
export interface DeadLetterCursor {
  readonly diedAt: number
  readonly id: number
}

export interface DeadLetterStore {
  /** Oldest death first, a page at a time. `after` is `next` of the previous page, or null. */
  list(
    filter: DeadFilter,
    after: DeadLetterCursor | null,
    limit: number,
  ): Promise<{ readonly letters: readonly DeadLetterEntry[]; readonly next: DeadLetterCursor | null }>
  count(filter: DeadFilter): Promise<number>
  price(filter: DeadFilter): Promise<RetryPrice>
  /** Those of these that are dead in exactly this round and not discarded. In no particular order. */
  get(refs: readonly SearchRef[]): Promise<readonly DeadLetterEntry[]>
  /** The latest deaths first, for the dead letter queue. */
  newest(limit: number): Promise<readonly SearchRef[]>
  /**
   * dead (that round, not discarded) → waiting with a new round and fresh attempts. False: it is in
   * another state.
   */
  retryOne(ref: SearchRef): Promise<boolean>
  /**
   * The same for all that match. Null: more match now than a person confirmed, or more of them may be paid for, so nothing
   * is changed.
   */
  retry(filter: DeadFilter, confirmed?: RetryPrice): Promise<Retried | null>
  /**
   * Removes them from the list; their rows keep the status `dead`. Does not count those already
   * discarded. Null: more match now than a person confirmed, so nothing is changed.
   */
  discard(filter: DeadFilter, confirmed?: number): Promise<number | null>
  /**
   * queued (that round) → dead: BullMQ gave up on the job (it stalled too often). False when it
   * already has an outcome.
   */
  recordCrashed(ref: SearchRef, death: Death, now: number): Promise<boolean>
}

/**
 * The dead letters. BullMQ's dead letter queue follows these rows, except for the discarded ones.
 */
export function deadLetterStore(connection: Connection): DeadLetterStore {
  return {
    list: (filter, after, limit) => connection.read((tx) => list(tx, filter, after, limit)),
    count: (filter) =>
      connection.read(async (tx) => {
        const { text, parameters } = await matching(tx, filter)
        return getNumber(tx, `select count(*) as n from search where ${text}`, parameters)
      }),
    price: (filter) => connection.read(async (tx) => priceOf(tx, await matching(tx, filter))),
    get: (refs) => connection.read(async (tx) => withRows(tx, await letters(tx, await listedAmong(tx, refs), ''))),
    newest: (limit) =>
      connection.read(async (tx) => {
        const rows = await tx.all<RefColumns>(
          `select fingerprint, generation, round from search $by(search_dead_since)
           where state = 'dead' and discarded = 0 order by died_at desc, id desc limit @limit`,
          { limit },
        )
        return rows.map(refOf)
      }),
    retryOne: (ref) =>
      connection.write(async (tx) => (await retryDead(tx, await idsMatching(tx, await listedAmong(tx, [ref])))) === 1),
    retry: (filter, confirmed) =>
      connection.write(async (tx) => {
        const all = await matching(tx, filter)
        const { searches, maybePaid } = await priceOf(tx, all)
        if (confirmed && (searches > confirmed.searches || maybePaid > confirmed.maybePaid)) return null
        const ids = await idsMatching(tx, all)
        return { retried: await retryDead(tx, ids), ...(await countDue(tx, ids)), maybePaid }
      }),
    discard: (filter, confirmed) =>
      connection.write(async (tx) => {
        const ids = await idsMatching(tx, await matching(tx, { ...filter, discarded: false }))
        if (confirmed !== undefined && ids.length > confirmed) return null
        return tx.run('update search set discarded = 1 where $among(id, @ids)', { ids })
      }),
    recordCrashed: (ref, death, now) =>
      connection.write(async (tx) => {
        const [search] = await searchesAmong(tx, [ref], ['waiting', 'queued'])
        return search !== undefined && markDead(tx, search, death, now)
      }),
  }
}

/** Those in exactly these rounds that are on the list. */
async function listedAmong(tx: Transaction, refs: readonly SearchRef[]): Promise<Condition> {
  return and(LISTED, '$among(search.id, @ids)', { ids: idsOf(await searchesAmong(tx, refs, ['dead'])) })
}

async function idsMatching(tx: Transaction, { text, parameters }: Condition): Promise<readonly number[]> {
  return idsOf(await tx.all<{ id: number }>(`select search.id from search where ${text}`, parameters))
}

function priceOf(tx: Transaction, { text, parameters }: Condition): Promise<RetryPrice> {
  return getOne(
    tx,
    `select count(*) as searches, count(*) filter (where ${MAYBE_PAID_SQL}) as "maybePaid" from search where ${text}`,
    parameters,
  )
}

/** Those that were refused because of the API key. Returns how many. */
export async function retryUnauthorized(tx: Transaction): Promise<number> {
  return retryDead(tx, await idsMatching(tx, await matching(tx, { reason: 'unauthorized' })))
}

/** A page costs the same at any depth of the list, because both columns are in one index. */
async function list(
  tx: Transaction,
  filter: DeadFilter,
  after: DeadLetterCursor | null,
  limit: number,
): ReturnType<DeadLetterStore['list']> {
  const all = await matching(tx, filter)
  const wanted =
    after === null
      ? all
      : and(all, '(search.died_at, search.id) > (@diedAt, @afterId)', { diedAt: after.diedAt, afterId: after.id })
  const rows = await letters(tx, wanted, 'order by search.died_at, search.id limit @limit', { limit })
  const last = rows.length < limit ? undefined : rows.at(-1)
  return {
    letters: await withRows(tx, rows),
    next: last === undefined ? null : { diedAt: last.diedAt, id: last.id },
  }
}

/** How many of the retried searches a batch can pay for, and how many a cap withholds. */
async function countDue(tx: Transaction, ids: readonly number[]): Promise<Pick<Retried, 'due' | 'withheld'>> {
  return getOne<Pick<Retried, 'due' | 'withheld'>>(
    tx,
    `with ${BUDGET_TABLE_SQL}, back as (
       select ${IS_DUE_SQL} as is_due, exists (
           select 1 from want join batch on batch.id = want.batch_id
           where want.search_id = search.id and batch.state = 'released') as is_wanted
       from search where $among(id, @ids))
     select count(*) filter (where is_due) as due, count(*) filter (where is_wanted and not is_due) as withheld from back`,
    { ids, budgets: budgetsAsJson(await readBudgets(tx)) },
  )
}

interface DeadLetterRow extends RefColumns, Death {
  readonly id: number
  readonly request: string
  readonly diedAt: number
  readonly attempts: number
  readonly maybePaid: number
  readonly items: number
}

/** @param order how many, and in which order */
function letters(
  tx: Transaction,
  { text, parameters }: Condition,
  order: string,
  more: SqlParameters = {},
): Promise<DeadLetterRow[]> {
  // A rate limit or an empty account used no attempt, so it is not counted as a failure.
  return tx.all<DeadLetterRow>(
    `select id, fingerprint, generation, round, request, died_at as "diedAt", ${DEATH_COLUMNS},
       (select count(*) from call where call.search_id = search.id
         and call.outcome not in ('rate_limited', 'out_of_credits')) as attempts,
       case when ${MAYBE_PAID_SQL} then 1 else 0 end as "maybePaid",
       (select coalesce(sum(want.items), 0) from want where want.search_id = search.id) as items
     from search where ${text} ${order}`,
    { ...parameters, ...more },
  )
}

const MOST_ROWS = 5

async function withRows(tx: Transaction, letters: readonly DeadLetterRow[]): Promise<DeadLetterEntry[]> {
  const rowsOf = await firstRows(tx, idsOf(letters), { most: MOST_ROWS, batchId: null })
  return letters.map((row) => ({ ref: refOf(row), letter: deadLetterOf(row), rows: rowsOf(row.id) }))
}

function deadLetterOf(row: DeadLetterRow): DeadLetter {
  return {
    ...namesOf(row),
    status: row.status,
    error: row.error,
    code: row.code,
    message: row.message,
    request_id: row.requestId,
    attempts: row.attempts,
    items: row.items,
    died_at: new Date(row.diedAt).toISOString(),
    remedy: row.remedy,
    maybe_paid: row.maybePaid === 1,
  }
}

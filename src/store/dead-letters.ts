import { type SelectQueryBuilder, sql } from 'kysely'
import type { DeadLetter, Death } from '../domain/dead-letter.js'
import type { SearchRequest } from '../domain/request.js'
import type { SearchRef } from '../domain/search-id.js'
import type { SearchState } from '../domain/states.js'
import { budgets, budgetsParameter, IS_DUE, REACH_TABLE } from './budget.js'
import { build, type Connection } from './connection.js'
import { whereNamed } from './find-search.js'
import { containing } from './findings.js'
import type { Schema } from './schema.js'
import { fingerprintBytes, type RefColumns, refOf, searchName } from './search-ref.js'
import type { DeadFilter, DeadLetterStore, LetterCursor, ParkedLetter, Retried } from './store.js'
import { bury, revive } from './transitions.js'

/**
 * The dead letters. BullMQ's dead letter queue follows these rows, except for the discarded ones.
 */
export function deadLetterStore(connection: Connection): DeadLetterStore {
  const idsOf = (query: DeadQuery<object>): readonly number[] =>
    connection.rows(query.select('search.id')).map((row) => row.id)

  const numberOf = (query: DeadQuery<object>): number =>
    connection.first(query.select(({ fn }) => fn.countAll<number>().as('letters')))?.letters ?? 0

  return {
    list: async (filter, after, limit) =>
      connection.read(() => {
        const from = after === null ? dead(filter) : dead(filter).where(diedAfter(after))
        const page = letters(from).select(['search.id']).orderBy('search.died_at').orderBy('search.id').limit(limit)
        const rows = connection.rows(page)
        const last = rows.length < limit ? undefined : rows.at(-1)
        return {
          letters: rows.map(letterOf),
          next: last === undefined ? null : { diedAt: last.died_at ?? 0, id: last.id },
        }
      }),
    count: async (filter) => connection.read(() => numberOf(dead(filter))),
    countMaybePaid: async (filter) => connection.read(() => numberOf(dead(filter).where(MAYBE_PAID))),
    get: async (ref) =>
      connection.read(() => {
        const row = connection.first(letters(inRound(ref)))
        return row === undefined ? null : letterOf(row)
      }),
    refs: async (after, limit) =>
      connection.read(() => {
        const rows = connection.all<RefColumns & { id: number }>(
          `select id, fingerprint, generation, round from search indexed by search_dead
           where state = 'dead' and discarded = 0 and id > ? order by id limit ?`,
          [after, limit],
        )
        return { refs: rows.map(refOf), next: rows.length < limit ? null : (rows.at(-1)?.id ?? null) }
      }),
    retry: async (ref) => connection.write(() => revive(connection, idsOf(inRound(ref))) === 1),
    retryAll: async (filter) =>
      connection.write(() => {
        const ids = idsOf(dead(filter))
        return { retried: revive(connection, ids), ...standingOf(connection, ids) }
      }),
    retryUnauthorized: async () =>
      connection.write(() => revive(connection, idsOf(dead({}).where('search.death_reason', '=', 'unauthorized')))),
    discardAll: async (filter) =>
      connection.write(
        () =>
          connection.run(
            `update search set discarded = 1
             where id in (select value from json_each(?)) and state = 'dead' and discarded = 0`,
            [JSON.stringify(idsOf(dead({ ...filter, discarded: false })))],
          ).changes,
      ),
    recordCrashed: async (ref, death, now) =>
      connection.write(() => {
        const search = connection.get<{ id: number; state: SearchState }>(
          'select id, state from search where fingerprint = ? and generation = ? and round = ?',
          [fingerprintBytes(ref.fingerprint), ref.generation, ref.round],
        )
        return search !== undefined && bury(connection, search, death, now)
      }),
  }
}

/** The same rule as `costs` in `letterOf`. */
const MAYBE_PAID = sql<boolean>`(search.death_reason = 'unreadable' or exists (
  select 1 from call where call.search_id = search.id and call.outcome = 'unknown'))`

/** Both columns are in one index, so a page costs the same at any depth of the list. */
function diedAfter({ diedAt, id }: LetterCursor) {
  return sql<boolean>`(search.died_at, search.id) > (${diedAt}, ${id})`
}

type DeadQuery<Row> = SelectQueryBuilder<Schema, 'search', Row>

function dead(filter: DeadFilter): DeadQuery<object> {
  let query: DeadQuery<object> = build.selectFrom('search').where('search.state', '=', sql.lit('dead'))
  const { reason, status, batchId, code, text, search, discarded = search === undefined ? false : null } = filter
  if (discarded !== null) query = query.where('search.discarded', '=', sql.lit(discarded ? 1 : 0))
  if (reason !== undefined) query = query.where('search.death_reason', '=', reason)
  if (status !== undefined) query = query.where('search.death_status', status === null ? 'is' : '=', status)
  if (code !== undefined) query = query.where('search.death_code', code === null ? 'is' : '=', code)
  if (text !== undefined) query = query.where(mentions(text))
  if (search !== undefined) query = whereNamed(query, search)
  if (batchId !== undefined)
    query = query.where(({ exists, selectFrom }) =>
      exists(
        selectFrom('want')
          .select('want.batch_id')
          .where('want.batch_id', '=', batchId)
          .whereRef('want.search_id', '=', 'search.id'),
      ),
    )
  return query
}

function mentions(text: string) {
  const pattern = containing(text)
  return sql<boolean>`(lower(search.request) like ${pattern} escape '!' or lower(search.death_error) like ${pattern} escape '!'
    or lower(search.death_message) like ${pattern} escape '!')`
}

function inRound(ref: SearchRef): DeadQuery<object> {
  return dead({})
    .where('search.fingerprint', '=', fingerprintBytes(ref.fingerprint))
    .where('search.generation', '=', ref.generation)
    .where('search.round', '=', ref.round)
}

/** Of searches that wait again: how many a batch can pay for, and how many a cap withholds. */
function standingOf(connection: Connection, ids: readonly number[]): Omit<Retried, 'retried'> {
  return (
    connection.get<Omit<Retried, 'retried'>>(
      `with ${REACH_TABLE}, back as (
         select ${IS_DUE} as is_due, exists (
             select 1 from want join batch on batch.id = want.batch_id
             where want.search_id = search.id and batch.state = 'released') as is_wanted
         from search where id in (select value from json_each(@ids)))
       select count(*) filter (where is_due) as due, count(*) filter (where is_wanted and not is_due) as withheld from back`,
      { ids: JSON.stringify(ids), reaches: budgetsParameter(budgets(connection)) },
    ) ?? { due: 0, withheld: 0 }
  )
}

function letters(query: DeadQuery<object>) {
  return query.select([
    'search.fingerprint',
    'search.generation',
    'search.round',
    'search.request',
    'search.death_reason',
    'search.death_status',
    'search.death_error',
    'search.death_code',
    'search.death_message',
    'search.death_request_id',
    'search.death_remedy',
    'search.died_at',
    // A rate limit or an empty account used no attempt, so it is not counted as a failure.
    sql<number>`(select count(*) from call where call.search_id = search.id
      and call.outcome not in ('rate_limited', 'out_of_credits'))`.as('attempts'),
    sql<number>`(select count(*) from call where call.search_id = search.id and call.outcome = 'unknown')`.as(
      'unknown',
    ),
    sql<number>`(select coalesce(sum(want.items), 0) from want where want.search_id = search.id)`.as('items'),
  ])
}

type LetterRow = ReturnType<typeof letters> extends SelectQueryBuilder<Schema, 'search', infer Row> ? Row : never

function letterOf(row: LetterRow): ParkedLetter {
  const letter: DeadLetter = {
    search: searchName(row),
    query: (JSON.parse(row.request) as SearchRequest).query,
    status: row.death_status,
    error: row.death_error ?? '',
    code: row.death_code,
    message: row.death_message,
    request_id: row.death_request_id,
    attempts: row.attempts,
    items: row.items,
    died_at: new Date(row.died_at ?? 0).toISOString(),
    remedy: row.death_remedy ?? '',
    costs: row.death_reason === 'unreadable' || row.unknown > 0 ? 1 : 0,
  }
  return { ref: refOf(row), letter }
}

/** The death of a search from its row. Null: it is not dead. */
export function deathOf(row: Omit<LetterRow, 'attempts' | 'unknown' | 'items' | keyof RefColumns>): Death | null {
  if (row.death_reason === null) return null
  return {
    reason: row.death_reason,
    status: row.death_status,
    error: row.death_error ?? '',
    code: row.death_code,
    message: row.death_message,
    requestId: row.death_request_id,
    remedy: row.death_remedy ?? '',
  }
}

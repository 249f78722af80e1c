import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Death, DeathReason } from '../domain/dead-letter.js'
import type { CallOutcome } from '../domain/outcome.js'
import type { SearchState } from '../domain/states.js'
import { DEATH_COLUMNS, type DeadFilter, MAYBE_PAID_SQL, matching, withinJson } from './dead-filter.js'
import type { Connection, Queries } from './engine.js'
import { type NameColumns, namesOf } from './search-ref.js'
import { getNumber } from './sql.js'

export interface RowName {
  readonly batchId: number
  readonly position: number
  /** The user's own id. */
  readonly key: string | null
}

/** Dead letters with the same reason, status and code. */
export interface DeadLetterGroup {
  readonly reason: DeathReason
  readonly status: number | null
  readonly code: string | null
  /** What the API said about the latest of them. */
  readonly error: string
  readonly message: string | null
  readonly remedy: string
  readonly searches: number
  readonly rows: number
  /** How many may be paid for already: see `DeadLetter.maybe_paid`. */
  readonly maybePaid: number
  readonly batches: readonly { readonly id: number; readonly name: string; readonly searches: number }[]
  /** The latest few. */
  readonly examples: readonly {
    readonly search: string
    readonly query: string
    readonly rows: readonly RowName[]
  }[]
}

/** Rows of a batch that cannot become a request, with the same cause. */
export interface InvalidGroup {
  readonly cause: string
  readonly rows: number
  /** Of the first one, with its line. */
  readonly problem: string
  readonly examples: readonly RowName[]
}

const MOST_GROUPS = 50
const MOST_EXAMPLES = 3
const MOST_ROWS = 6
const MOST_BATCHES = 20

type GroupRow = Pick<DeadLetterGroup, 'reason' | 'status' | 'code' | 'searches' | 'rows' | 'maybePaid'>

export async function deadLetterGroups(tx: Queries, filter: DeadFilter): Promise<readonly DeadLetterGroup[]> {
  const { text, parameters } = await matching(tx, filter)
  const groups = await tx.all<GroupRow>(
    `select death_reason as reason, death_status as status, death_code as code, count(*) as searches,
       sum((select coalesce(sum(items), 0) from want where want.search_id = search.id)) as rows,
       sum(case when ${MAYBE_PAID_SQL} then 1 else 0 end) as "maybePaid"
     from search where ${text}
     group by death_reason, death_status, death_code
     order by count(*) desc, death_status, death_code limit ${MOST_GROUPS}`,
    parameters,
  )
  const found: DeadLetterGroup[] = []
  for (const group of groups) found.push(await describe(tx, filter, group))
  return found
}

async function describe(tx: Queries, filter: DeadFilter, group: GroupRow): Promise<DeadLetterGroup> {
  const { reason, status, code } = group
  const { text, parameters } = await matching(tx, { ...filter, reason, status, code })
  const examples = await tx.all<Death & NameColumns & { readonly id: number }>(
    `select id, fingerprint, generation, request, ${DEATH_COLUMNS}
     from search where ${text} order by died_at desc, id desc limit ${MOST_EXAMPLES}`,
    parameters,
  )
  const batches = await tx.all<DeadLetterGroup['batches'][number]>(
    `select batch.id as id, batch.name as name, count(*) as searches
     from search join want on want.search_id = search.id join batch on batch.id = want.batch_id
     where ${text} and batch.dropping = 0 group by batch.id, batch.name order by count(*) desc, batch.id limit ${MOST_BATCHES}`,
    parameters,
  )
  const ids = examples.map(({ id }) => id)
  const rowsOf = await firstRows(tx, ids, { most: MOST_ROWS, batchId: filter.batchId ?? null })
  const [latest] = examples
  return {
    ...group,
    error: latest?.error ?? '',
    message: latest?.message ?? null,
    remedy: latest?.remedy ?? '',
    batches,
    examples: examples.map((example) => ({ ...namesOf(example), rows: rowsOf(example.id) })),
  }
}

/**
 * Looks up the first rows of each of these searches, those of the latest batch first. Thousands may share one.
 * @param batchId null: of every batch
 */
export async function firstRows(
  tx: Queries,
  searchIds: readonly number[],
  { most, batchId }: { readonly most: number; readonly batchId: number | null },
): Promise<(searchId: number) => readonly RowName[]> {
  const rows = await tx.all<RowName & { readonly searchId: number }>(
    `select search_id as "searchId", batch_id as "batchId", position, key from (
       select search_id, batch_id, position, key,
         row_number() over (partition by search_id order by batch_id desc, position) as place
       from item where $among(search_id, @searchIds) and (@batchId = 0 or batch_id = @batchId)) as numbered
     where place <= @most order by search_id, place`,
    { searchIds, most, batchId: batchId ?? 0 },
  )
  const bySearch = new Map<number, RowName[]>(searchIds.map((id) => [id, []]))
  for (const { searchId, ...row } of rows) bySearch.get(searchId)?.push(row)
  return (id) => bySearch.get(id) ?? []
}

/** At most this many problems are read; a catalog may be wrong from end to end. */
const MOST_PROBLEMS = 20_000

export async function invalidGroups(tx: Queries, batchId: number): Promise<readonly InvalidGroup[]> {
  const rows = await tx.all<{ position: number; key: string | null; problem: string }>(
    `select position, key, problem from item where batch_id = @batchId and problem is not null
     order by position limit ${MOST_PROBLEMS}`,
    { batchId },
  )
  const groups = new Map<string, { problem: string; rows: number; examples: RowName[] }>()
  for (const { position, key, problem } of rows) {
    const cause = causeOf(problem)
    const group = groups.get(cause) ?? { problem, rows: 0, examples: [] }
    group.rows += 1
    if (group.examples.length < MOST_ROWS) group.examples.push({ batchId, position, key })
    groups.set(cause, group)
  }
  return [...groups.entries()]
    .map(([cause, group]) => ({ cause, ...group }))
    .toSorted((a, b) => b.rows - a.rows)
    .slice(0, MOST_GROUPS)
}

/** "line 7: repeated id "a"" and "line 9: repeated id "b"" have one cause. */
function causeOf(problem: string): string {
  return problem
    .replace(/^line \d+: /, '')
    .replace(/"[^"]*"/g, '…')
    .replace(/\d+/g, 'N')
}

export interface FoundSearch {
  readonly search: string
  readonly query: string
  readonly state: SearchState
}

export async function searchesByQuery(
  reader: Connection,
  text: string,
  limit: number,
): Promise<readonly FoundSearch[]> {
  const found: FoundSearch[] = []
  let before: number | null = Number.MAX_SAFE_INTEGER
  while (before !== null && found.length < limit) {
    const range: { readonly before: number; readonly limit: number } = { before, limit: limit - found.length }
    const piece = await reader.read((tx) => searchesBefore(tx, text, range))
    found.push(...piece.found)
    before = piece.next
    await nextTurn()
  }
  return found
}

/** SQLite reads so many requests in 5 ms. */
const REQUESTS_PER_TURN = 5_000

/** @returns `next`: where the next piece begins. Null: this is the last one. */
async function searchesBefore(
  tx: Queries,
  text: string,
  { before, limit }: { readonly before: number; readonly limit: number },
): Promise<{ readonly found: readonly FoundSearch[]; readonly next: number | null }> {
  const last = await tx.get<{ id: number }>(
    `select id from search where id < @before order by id desc limit 1 offset ${REQUESTS_PER_TURN - 1}`,
    { before },
  )
  const rows = await tx.all<NameColumns & { readonly state: SearchState }>(
    `select fingerprint, generation, request, state from search
     where id < @before and id >= @from and $contains(request, @textInJson) order by id desc limit @limit`,
    { before, from: last?.id ?? 0, textInJson: withinJson(text), limit },
  )
  return { found: rows.map((row) => ({ ...namesOf(row), state: row.state })), next: last?.id ?? null }
}

/** The result of a batch. */
export interface BatchOutcome {
  /** Unique searches of its rows. */
  readonly searches: number
  /** Calls made for it, by outcome. */
  readonly calls: Partial<Readonly<Record<CallOutcome, number>>>
  /** Null: it made no call. */
  readonly firstCallAt: number | null
  readonly lastCallAt: number | null
}

export async function batchOutcome(tx: Queries, batchId: number): Promise<BatchOutcome> {
  const rows = await tx.all<{ outcome: CallOutcome; calls: number; first: number; last: number }>(
    `select outcome, count(*) as calls, min(sent_at) as first, max(coalesce(finished_at, sent_at)) as last
     from call where batch_id = @batchId group by outcome`,
    { batchId },
  )
  return {
    searches: await wantedSearches(tx, batchId),
    calls: Object.fromEntries(rows.map(({ outcome, calls }) => [outcome, calls])),
    firstCallAt: rows.length === 0 ? null : Math.min(...rows.map(({ first }) => first)),
    lastCallAt: rows.length === 0 ? null : Math.max(...rows.map(({ last }) => last)),
  }
}

function wantedSearches(tx: Queries, batchId: number): Promise<number> {
  return getNumber(tx, 'select count(*) as n from want where batch_id = @batchId', { batchId })
}

export async function sampleAnswers(tx: Queries, batchId: number, limit: number): Promise<readonly string[]> {
  const every = Math.max(1, Math.floor((await wantedSearches(tx, batchId)) / limit))
  const rows = await tx.all<{ body: string }>(
    `select answer.body as body from want join answer on answer.search_id = want.search_id
     where want.batch_id = @batchId and want.search_id % @every = 0 order by want.search_id limit @limit`,
    { batchId, every, limit },
  )
  return rows.map(({ body }) => body)
}

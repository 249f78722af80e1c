import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeEach } from '@jest/globals'
import { type PostgresServer, startPostgresServer } from '../../scripts/postgres-server.js'
import type { Death } from '../../src/domain/dead-letter.js'
import type { Decision } from '../../src/domain/decision.js'
import type { CallOutcome, ResponseFacts } from '../../src/domain/outcome.js'
import { canonicalRequest, fingerprint, type LoadedRow } from '../../src/domain/request.js'
import type { SearchRef } from '../../src/domain/search-id.js'
import { newClaimToken } from '../../src/store/claim.js'
import type { CallKey } from '../../src/store/close-call.js'
import type { Connection, Transaction } from '../../src/store/engine.js'
import { openStore } from '../../src/store/open-store.js'
import { type DatabaseAddress, readDatabaseUrl } from '../../src/store/postgres/address.js'
import { openConnection as openPostgres } from '../../src/store/postgres/connection.js'
import { openConnection as openSqlite } from '../../src/store/sqlite/connection.js'
import type { Claim, ClaimRules, ExportRow, NewBatch, Store } from '../../src/store/store.js'
import type { Actor } from '../../src/store/timeline.js'
import { emptied } from '../support/postgres.js'

/** A store in a directory of its own; `end` closes whatever was opened and removes the directory. */
export interface TempStore {
  readonly store: Store
  readonly path: string
  /** A connection of its own, to read the tables without the store. */
  readonly reader: Connection
  /** A second opening of the same file, as another process has it. */
  openAgain(actor?: Actor): Promise<Store>
  /** One transaction on a connection of its own. */
  change<T>(work: (tx: Transaction) => Promise<T>): Promise<T>
  /** Changes the schema, as a program of a newer version does. */
  alter(...statements: readonly string[]): Promise<void>
  end(): Promise<void>
}

/** A fresh one for each test of a file. */
export function eachWithStore(use: (opened: TempStore) => void): void {
  let opened: TempStore
  beforeEach(async () => {
    opened = await storeInTemp()
    use(opened)
  })
  afterEach(() => opened.end())
}

/** `STORE_ENGINE=postgres` runs the tests of a file on PostgreSQL. */
export const onPostgres = process.env.STORE_ENGINE === 'postgres'
let server: PostgresServer | null = null
let database: string | null = null

afterAll(() => server?.close())

/** One server and one database for a file of tests, emptied for each test. */
async function emptyDatabase(): Promise<DatabaseAddress | undefined> {
  if (!onPostgres) return undefined
  server ??= await startPostgresServer()
  if (database === null) database = await server.createDatabase('store')
  else await emptied(database)
  return { url: database, ca: null }
}

export async function storeInTemp(): Promise<TempStore> {
  const directory = mkdtempSync(join(tmpdir(), 'store-'))
  const path = join(directory, 'data', 'store.db')
  const empty = await emptyDatabase()
  const opened: Store[] = []
  async function openAgain(actor: Actor = 'command'): Promise<Store> {
    const store = await openStore({ path, database: empty, actor })
    opened.push(store)
    return store
  }
  async function change<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
    const writer = empty === undefined ? openSqlite(path, 'write') : openPostgres(readDatabaseUrl(empty), 'write')
    const result = await writer.write(work)
    await writer.close()
    return result
  }
  const store = await openAgain()
  const reader = empty === undefined ? openSqlite(path, 'read') : openPostgres(readDatabaseUrl(empty), 'read')
  return {
    store,
    path,
    reader,
    openAgain,
    change,
    alter: (...statements) =>
      change(async (tx) => {
        for (const statement of statements) await tx.run(statement)
      }),
    end: async () => {
      for (const store of opened) await store.close()
      await reader.close()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

export function newBatch(changes: Partial<NewBatch> = {}): NewBatch {
  return {
    name: 'catalog',
    catalogPath: '/somewhere/catalog.csv',
    format: 'csv',
    delimiter: ',',
    byteOrderMark: false,
    quoting: 'csv',
    preamble: '',
    columns: ['id', 'title'],
    template: '{title} music',
    rowOptions: {},
    continues: null,
    priority: 'normal',
    maxAgeMs: null,
    createdAt: 1000,
    ...changes,
  }
}

/** A row at a position that asks this; its id is `row-<position>`. */
export function row(position: number, query: string, key: string | null = `row-${position}`): LoadedRow {
  const request = canonicalRequest({ query })
  return {
    position,
    line: position,
    key,
    row: JSON.stringify([key, query]),
    request: { fingerprint: fingerprint(request), request },
    problem: null,
  }
}

export function badRow(position: number, problem = `line ${position}: expected a title, found nothing`): LoadedRow {
  return { position, line: position, key: `row-${position}`, row: '[]', request: null, problem }
}

export function refOf(query: string, round = 1, generation = 1): SearchRef {
  return { fingerprint: fingerprint(canonicalRequest({ query })), generation, round }
}

type Caps = { readonly maxCredits?: number; readonly first?: number }

export async function loaded(
  store: Store,
  queries: readonly string[],
  changes: Partial<NewBatch> = {},
): Promise<number> {
  const id = await store.batches.create(newBatch(changes))
  await store.batches.addRows(
    id,
    queries.map((query, index) => row(index + 1, query)),
    changes.createdAt ?? 1000,
  )
  return id
}

export async function released(
  store: Store,
  queries: readonly string[],
  caps: Caps = {},
  changes: Partial<NewBatch> = {},
): Promise<number> {
  const id = await loaded(store, queries, changes)
  await release(store, id, caps)
  return id
}

export async function release(store: Store, id: number, { maxCredits, first }: Caps = {}): Promise<boolean> {
  return store.batches.release(id, { maxCredits: maxCredits ?? null, first: first ?? null }, 2000)
}

export const PLENTY = { high: 1000, normal: 1000, low: 1000 }

/** What the feeder would do: the queries that became queued, in order. */
export async function feedAll(store: Store, now = 3000): Promise<string[]> {
  const due = await store.feed.due(1000, PLENTY)
  await store.feed.markQueued(due, now)
  return due.map((search) => search.request.query)
}

export const RULES: Omit<ClaimRules, 'token'> = {
  now: 10_000,
  openCallMaxAgeMs: 25_000,
  creditReserve: 0,
  apiUrl: 'https://api.example.test/v1',
}

export async function claim(
  store: Store,
  query: string,
  changes: Partial<ClaimRules> & { round?: number; generation?: number } = {},
): Promise<Claim> {
  const { round = 1, generation = 1, ...rules } = changes
  const ref = refOf(query, round, generation)
  const answer = await store.calls.claim(ref, { ...RULES, token: newClaimToken(), ...rules })
  if (answer.kind === 'granted')
    keys.set(`${store.id} ${answer.callId}`, { id: answer.callId, token: answer.token, ref })
  return answer
}

/** Of the calls that were claimed by these helpers. */
const keys = new Map<string, CallKey>()

export function keyOf(store: Store, callId: number): CallKey {
  return keys.get(`${store.id} ${callId}`) ?? { id: callId, token: 0, ref: refOf('nobody has claimed it') }
}

/** The id of a call that must be granted. */
export async function granted(store: Store, query: string, changes: Parameters<typeof claim>[2] = {}): Promise<number> {
  const answer = await claim(store, query, changes)
  if (answer.kind !== 'granted') throw new Error(`expected the claim of "${query}" to be granted, got ${answer.kind}`)
  return answer.callId
}

export function facts(changes: Partial<ResponseFacts> = {}): ResponseFacts {
  return {
    status: 200,
    requestId: 'req-1',
    creditsRemaining: null,
    limitPerMinute: null,
    remainingThisMinute: null,
    limitPerDay: null,
    remainingToday: null,
    durationMs: 12,
    ...changes,
  }
}

export const DEATH: Death = {
  reason: 'refused',
  status: 400,
  error: 'bad filters',
  code: 'invalid_parameters',
  message: null,
  requestId: 'req-9',
  remedy: 'Check the query.',
}

const DEAD = { do: 'deadLetter', body: null, pause: null, usesAttempt: false } as const
const SUCCESS = { do: 'succeed', durationMs: 12 } as const
const RETRY = { do: 'retry', at: 12_000, reason: 'the API answered 500' } as const
const DEFER = { do: 'defer', until: 12_000, reason: 'refused alone', moreRefusals: null } as const

export const ENDINGS = {
  answered: { outcome: 'answered', decision: { ...SUCCESS, body: '{"tracks":[1]}', tracks: 1 } },
  noMatch: { outcome: 'answered', decision: { ...SUCCESS, body: '{"tracks":[]}', tracks: 0 } },
  refused: { outcome: 'refused', decision: { ...DEAD, death: DEATH } },
  unauthorized: {
    outcome: 'unauthorized',
    decision: {
      ...DEAD,
      death: { ...DEATH, reason: 'unauthorized', status: 401, code: 'unauthorized' },
      pause: 'unauthorized',
    },
  },
  unreadable: {
    outcome: 'unreadable',
    decision: { ...DEAD, death: { ...DEATH, reason: 'unreadable', status: 200, code: 'unreadable' }, body: '<html>' },
  },
  usedUp: {
    outcome: 'transient',
    decision: {
      ...DEAD,
      death: { ...DEATH, reason: 'attempts_used_up', status: 500, code: null },
      usesAttempt: true,
    },
  },
  failed: { outcome: 'transient', decision: RETRY },
  timedOut: { outcome: 'unknown', decision: RETRY },
  rateLimited: {
    outcome: 'rate_limited',
    decision: { do: 'rateLimit', until: 70_000, daily: false, behind: false, said: null },
  },
  outOfCredits: {
    outcome: 'out_of_credits',
    decision: { do: 'pause', cause: 'no_credits', detail: 'Out of credits' },
  },
  limitedAlone: { outcome: 'rate_limited', decision: DEFER },
  unpaidAlone: { outcome: 'out_of_credits', decision: DEFER },
} as const satisfies Record<string, { outcome: CallOutcome; decision: Decision }>

export type Ending = keyof typeof ENDINGS

export function close(
  store: Store,
  callId: number,
  ending: Ending,
  changes: { creditsRemaining?: number | null; now?: number; savedAt?: number; detail?: string } = {},
): ReturnType<Store['calls']['close']> {
  const { now = 11_000, savedAt = now, creditsRemaining = null, detail = null } = changes
  return store.calls.close(
    keyOf(store, callId),
    { ...ENDINGS[ending], detail, facts: facts({ creditsRemaining }), now },
    savedAt,
  )
}

/** Claim, and close at once. */
export async function settle(store: Store, query: string, ending: Ending, round = 1): Promise<number> {
  const callId = await granted(store, query, { round })
  await close(store, callId, ending)
  return callId
}

export async function exported(store: Store, batchId: number): Promise<ExportRow[]> {
  const rows: ExportRow[] = []
  for await (const each of store.reports.exportRows(batchId)) rows.push(each)
  return rows
}

export async function statuses(store: Store, batchId: number): Promise<string[]> {
  return (await exported(store, batchId)).map((each) => each.status)
}

/** The numbers of rows of one batch that are not zero. */
export async function counts(store: Store, batchId: number): Promise<Record<string, number>> {
  const [report] = await store.reports.batches({ batchId, limit: 1 })
  if (report === undefined) throw new Error(`expected a report of batch ${batchId}, got none`)
  const { batch, creditsNeeded: _credits, ...open } = report
  const { items, tagged, noMatch, dead, invalid } = batch
  return Object.fromEntries(
    Object.entries({ items, tagged, noMatch, dead, invalid, ...open }).filter(([, count]) => count !== 0),
  )
}

export async function charged(store: Store, batchId: number): Promise<number> {
  return (await store.batches.find(String(batchId)))?.charged ?? Number.NaN
}

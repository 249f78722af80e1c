import pg from 'pg'
import { settledWithin } from '../../domain/with-timeout.js'
import {
  type Connection,
  closedError,
  expandFragments,
  type Fragments,
  mutex,
  type Queries,
  type Snapshot,
  type SqlParameters,
  type Transaction,
} from '../engine.js'
import type { ConnectionTarget } from './address.js'
import { copyIn } from './copy-in.js'
import { isLockTimeout, isReadTimeout, openError, postgresError } from './explain-error.js'
import { withoutNul } from './without-nul.js'

/**
 * One PostgreSQL connection. It connects again by itself: the transaction that finds it gone fails,
 * and the next one connects. Transactions run one after another. Their statements are sent without
 * waiting for earlier ones; only a question waits for its answer.
 *
 * A change takes the advisory lock of the store first, so there is one writer in all processes, as
 * in SQLite. It must be READ COMMITTED: a statement that waited for the lock sees what was committed
 * meanwhile, while a snapshot from before the wait would not.
 *
 * One for loading adds rows by COPY. That allows no other statement on its way, so each waits for the one before.
 */
export function openConnection(target: ConnectionTarget, role: Role): PostgresConnection {
  const alone = mutex()
  let session: Session | null = null
  let isClosed = false
  let lastChange: Promise<unknown> = Promise.resolve()

  async function connected(): Promise<Session> {
    if (isClosed) throw closedError()
    if (session === null || session.hasEnded()) session = await connect(target, role)
    // Meanwhile.
    if (isClosed) {
      session.client.connection.stream.destroy()
      throw closedError()
    }
    return session
  }

  async function transaction<T>(begin: string, work: (tx: Transaction) => Promise<T>): Promise<T> {
    const session = await connected()
    const tx = transactionOn(session)
    try {
      tx.tell(begin)
      const result = await work(tx)
      const { command } = await session.client.query('commit')
      // The server answers a commit of a failed transaction with a rollback.
      if (command !== 'COMMIT') throw new Error('the transaction was rolled back')
      return result
    } catch (error) {
      // What follows the first error only says that the transaction has failed.
      const first = tx.failure() ?? error
      // No other statement is answered before the one that was not.
      await (isReadTimeout(first) ? session.client.end() : session.client.query('rollback')).catch(() => {})
      if (isLockTimeout(first)) await session.client.query(END_STUCK_HOLDER).catch(() => {})
      throw postgresError(first, target.name, session.hasEnded())
    }
  }

  function write<T>(work: (tx: Transaction) => Promise<T>, purpose?: Parameters<Connection['write']>[1]): Promise<T> {
    const change = alone(() => transaction(purpose === 'copy' ? BEGIN_COPY : BEGIN_CHANGE, work))
    lastChange = change.catch(() => {})
    return change
  }

  /** Waits for changes. A read, and the farewell, that a frozen server does not answer must not keep the process. */
  async function close(): Promise<void> {
    const farewell = alone(async () => {
      isClosed = true
      await session?.client.end().catch(() => {})
    })
    await lastChange
    if (await settledWithin(CLOSES_WITHIN_MS, farewell)) return
    isClosed = true
    session?.client.connection.stream.destroy()
  }

  return {
    write,
    read: (work) => alone(() => transaction(BEGIN_LOOK, work)),
    snapshot: () => openSnapshot(target),
    serverProcess: () => alone(async () => serverProcess(await connected(), target.name)),
    // Only a file can be deleted or replaced under an open connection.
    refuseIfLost: () => {},
    close,
  }
}

export interface PostgresConnection extends Connection {
  /** The id of the process of the server that answers it, by a statement of its own. */
  serverProcess(): Promise<number>
}

async function serverProcess({ client, hasEnded }: Session, name: string): Promise<number> {
  try {
    const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid')
    return rows[0]?.pid ?? 0
  } catch (error) {
    throw postgresError(error, name, hasEnded())
  }
}

type Role = 'write' | 'load' | 'read'

const LOCK = "hashtextextended('trackyard ' || current_schema(), 0)"
const TAKE_LOCK = `select pg_advisory_xact_lock(${LOCK})`
const BEGIN_CHANGE = `begin; ${TAKE_LOCK}`
/** It sends nothing while another connection reads, and the target writes. */
const BEGIN_COPY = `begin; set local idle_in_transaction_session_timeout = '5min'; ${TAKE_LOCK}`
const BEGIN_LOOK = 'begin isolation level repeatable read read only'

/**
 * Ends the session that holds the lock while the server waits for its client, in the middle of a statement: no timeout of
 * the server ends such a wait. That process is frozen, or cut off; if it still loads rows, then too slowly for the others,
 * which all wait. It finds its connection lost, and repeats the change.
 */
const END_STUCK_HOLDER = `select pg_terminate_backend(pid) from pg_locks join pg_stat_activity using (pid)
  where locktype = 'advisory' and granted and (classid::bigint << 32) | objid::bigint = ${LOCK}
    and datname = current_database() and state = 'active' and wait_event_type = 'Client'
    and state_change < clock_timestamp() - interval '20 s'`

interface Session {
  readonly client: pg.Client
  hasEnded(): boolean
}

const CONNECT_WITHIN_MS = 10_000
const CLOSES_WITHIN_MS = 500
/** A network that swallows packets fails only after a quarter of an hour. A read for a report may take minutes. */
const ANSWER_WITHIN_MS: Readonly<Record<Role, number>> = { write: 60_000, load: 60_000, read: 5 * 60_000 }
/** An idle connection that was dropped is noticed soon after this. The default of Linux is two hours. */
const KEEP_ALIVE_AFTER_MS = 10_000

/**
 * A frozen writer must not stop all others: `idle_in_transaction_session_timeout` ends its
 * transaction between two statements, and `END_STUCK_HOLDER` in one. The planner must not choose by the size of tables that were empty a moment ago:
 * prepared statements planned then would scan the ledger for ever.
 */
const CHANGES = `set jit = off; set random_page_cost = 1.1; set enable_seqscan = off; set lock_timeout = '5s';
  set idle_in_transaction_session_timeout = '10s'; set synchronous_commit = on`
const SESSION: Readonly<Record<Role, string>> = {
  write: CHANGES,
  load: CHANGES,
  read: 'set jit = off; set random_page_cost = 1.1',
}

async function connect({ config, name }: ConnectionTarget, role: Role): Promise<Session> {
  const client = new pg.Client({
    application_name: 'trackyard-batch',
    connectionTimeoutMillis: CONNECT_WITHIN_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_AFTER_MS,
    types: { getTypeParser: typeParser },
    query_timeout: ANSWER_WITHIN_MS[role],
    ...config,
    pipeline: role !== 'load',
  })
  let hasEnded = false
  // Without a listener, the end of an idle connection would end the process.
  const end = (): void => {
    hasEnded = true
  }
  client.on('error', end).on('end', end)
  try {
    await client.connect()
    await client.query(SESSION[role])
  } catch (error) {
    client.end().catch(() => {})
    throw openError(error, name)
  }
  return { client, hasEnded: () => hasEnded }
}

const BOOLEAN = 16
const BIGINT = 20
const NUMERIC = 1700

/** Ids and counts stay far below 2^53. Booleans are 0 or 1, as in SQLite. */
function typeParser(oid: number, format?: 'text' | 'binary'): (value: string) => unknown {
  if (oid === BIGINT || oid === NUMERIC) return Number
  if (oid === BOOLEAN) return (value) => (value === 't' ? 1 : 0)
  return format === 'binary' ? pg.types.getTypeParser(oid, 'binary') : pg.types.getTypeParser(oid, 'text')
}

interface RunningTransaction extends Transaction {
  /** A statement of the protocol whose result nobody needs. */
  tell(text: string): void
  /** The first error of a statement. */
  failure(): unknown
}

function transactionOn({ client }: Pick<Session, 'client'>): RunningTransaction {
  let failure: unknown
  const note = (error: unknown): void => {
    failure ??= error
  }
  const ask = async (text: string, parameters: SqlParameters = {}): Promise<pg.QueryResult> => {
    try {
      return await client.query(queryOf(text, parameters))
    } catch (error) {
      note(error)
      throw error
    }
  }
  return {
    get: async <Row>(text: string, parameters?: SqlParameters) => {
      const rows: Row[] = (await ask(text, parameters)).rows
      return rows[0]
    },
    all: async <Row>(text: string, parameters?: SqlParameters): Promise<Row[]> => (await ask(text, parameters)).rows,
    run: async (text, parameters) => (await ask(text, parameters)).rowCount ?? 0,
    send: (text, parameters = {}) => void client.query(queryOf(text, parameters)).catch(note),
    insert: async (into, width, values) => {
      if (values.length > 0) await copyIn(client, into, width, values)
    },
    reserveIds: async (count) => {
      const { rows } = await client.query<{ first: number }>(
        `select case when is_called then last_value + 1 else last_value end as first from search_id_seq`,
      )
      const first = rows[0]?.first ?? 1
      if (count > 0) await client.query(`select setval('search_id_seq', $1::bigint)`, [first + count - 1])
      return first
    },
    tell: (text) => void client.query(text).catch(note),
    failure: () => failure,
  }
}

interface Prepared {
  readonly name: string
  readonly text: string
  /** The parameters in the order of their numbers. */
  readonly names: readonly string[]
}

const prepared = new Map<string, Prepared>()

function queryOf(text: string, parameters: SqlParameters): pg.QueryConfig {
  const known = prepared.get(text) ?? prepare(text)
  return { name: known.name, text: known.text, values: known.names.map((name) => bound(parameters[name])) }
}

function prepare(text: string): Prepared {
  const names: string[] = []
  const numbered = expandFragments(text, FRAGMENTS).replace(/@(\w+)/g, (_, name: string) => {
    if (!names.includes(name)) names.push(name)
    return `$${names.indexOf(name) + 1}`
  })
  const made = { name: `q${prepared.size}`, text: numbered, names }
  prepared.set(text, made)
  return made
}

const FRAGMENTS: Fragments = {
  among: (column, list) => `${column} = any(${list})`,
  amongHex: (column, list) =>
    `${column} = any(array(select decode(digits, 'hex') from unnest(cast(${list} as text[])) as digits))`,
  // What lower case is depends on the locale of the database: with `C`, only ASCII has it.
  contains: (column, text) => `strpos(lower(${column}), lower(${text})) > 0`,
  refs: (json) =>
    // The condition is always true. It makes the planner expect few rows and use the index. If it expected a hundred, it
    // would scan all waiting searches.
    `select decode(value ->> 0, 'hex'), cast(value ->> 1 as bigint), cast(value ->> 2 as bigint)
     from json_array_elements(cast(${json} as json)) where json_array_length(value) = 3`,
  pairs: (json) =>
    `select cast(value ->> 0 as bigint), cast(value ->> 1 as bigint) from json_array_elements(cast(${json} as json))`,
  // The planner has statistics and settings of its own.
  by: () => '',
  unindexed: () => '',
  next: () => 'join',
}

type Value = SqlParameters[string]

function bound(value: Value | undefined): Value {
  if (Array.isArray(value)) return value.map((each) => (typeof each === 'string' ? withoutNul(each) : each))
  return typeof value === 'string' ? withoutNul(value) : (value ?? null)
}

async function openSnapshot(target: ConnectionTarget): Promise<Snapshot> {
  const session = await connect(target, 'read')
  const tx = transactionOn(session)
  tx.tell(BEGIN_LOOK)
  const explain = (error: unknown): never => {
    throw postgresError(tx.failure() ?? error, target.name, session.hasEnded())
  }
  const queries: Queries = {
    get: (text, parameters) => tx.get<never>(text, parameters).catch(explain),
    all: (text, parameters) => tx.all<never>(text, parameters).catch(explain),
  }
  return { ...queries, close: () => session.client.end().catch(() => {}) }
}

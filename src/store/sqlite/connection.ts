import { resolve } from 'node:path'
import Database from 'better-sqlite3'
import {
  type Connection,
  closedError,
  expandFragments,
  type Fragments,
  type Mutex,
  mutex,
  type Snapshot,
  type SqlParameters,
  type Transaction,
} from '../engine.js'
import { openStoreFiles, type StoreFiles } from './store-files.js'

/**
 * One SQLite handle. Statements run at once, and their promises are already resolved, so a
 * transaction takes no turn of the event loop. Transactions run one after another. A change uses
 * `BEGIN IMMEDIATE`: a deferred transaction that reads first and then writes fails at once with
 * SQLITE_BUSY_SNAPSHOT if another process wrote in between. Prepared statements are cached by their
 * text.
 */
export interface SqliteConnection extends Connection {
  /** The files that it has open. */
  readonly files: StoreFiles
  /** How long its changes have waited for another process so far. */
  lockWaitMs(): number
  /** How long a statement waits for another process. */
  setPatience(ms: number): void
  /** The size of the database, its log included. */
  pageBytes(): number
  /** Copies everything that this connection sees to another file, a few pages at a time. */
  backup(to: string): Promise<void>
  /** Checkpoints the write-ahead log into the file, as far as readers allow. */
  checkpoint(): void
}

/**
 * How long a statement waits for another process's transaction. It blocks the event loop meanwhile.
 */
export const PATIENCE_MS = 2000
/**
 * SQLite's cache per connection. The system's cache serves the rest; mapped pages would count as
 * our memory.
 */
const CACHE_KIB = 16 * 1024
/** 16 MiB of log before a checkpoint. */
const CHECKPOINT_PAGES = 4096
/** A transaction begins sooner than this if no other process holds the lock. */
const FREE_LOCK_MS = 0.2
/** 4 MiB of a backup between two turns of the event loop. */
const PAGES_PER_TURN = 1024
/** Rows per `insert`: they share most of its fixed cost, and it stays small. */
const ROWS_TOGETHER = 50

export function openConnection(
  path: string,
  mode: 'write' | 'read',
  patienceMs = PATIENCE_MS,
  files = openStoreFiles(path),
): SqliteConnection {
  const handle = openHandle(files, mode, patienceMs)
  const tx = transactionOn(handle)
  const alone = mode === 'write' ? sharedMutex(resolve(path)) : mutex()

  let lockWaitMs = 0

  async function transaction<T>(begin: string, work: (tx: Transaction) => Promise<T>): Promise<T> {
    if (!handle.open) throw closedError()
    try {
      const startedAt = performance.now()
      await tx.run(begin)
      const tookMs = performance.now() - startedAt
      if (tookMs > FREE_LOCK_MS) lockWaitMs += tookMs
      const result = await work(tx)
      await tx.run('COMMIT')
      return result
    } catch (error) {
      if (handle.inTransaction) handle.exec('ROLLBACK')
      throw files.explain(error)
    }
  }

  return {
    files,
    write: (work, purpose) =>
      alone(async () => {
        files.refuseIfLost(purpose)
        return transaction('BEGIN IMMEDIATE', work)
      }),
    read: (work) =>
      alone(async () => {
        // A worker's reads on its writing connection belong to calls in flight, or to a rescue. Reports must not
        // come from a lost store.
        if (mode === 'read') files.refuseIfLost()
        return transaction('BEGIN', work)
      }),
    snapshot: async () => openSnapshot(files),
    refuseIfLost: () => files.refuseIfLost(),
    lockWaitMs: () => lockWaitMs,
    setPatience: (ms) => void handle.pragma(`busy_timeout = ${ms}`),
    pageBytes: () => pragma(handle, 'page_count') * pragma(handle, 'page_size'),
    backup: async (to) => void (await handle.backup(to, { progress: () => PAGES_PER_TURN })),
    checkpoint: () => void handle.pragma('wal_checkpoint(PASSIVE)'),
    close: () =>
      alone(async () => {
        if (handle.open) handle.close()
      }),
  }
}

function openHandle(files: StoreFiles, mode: 'write' | 'read', patienceMs: number): Database.Database {
  let handle: Database.Database | null = null
  try {
    handle = new Database(files.path, { readonly: mode === 'read', timeout: patienceMs })
    if (mode === 'write') {
      handle.pragma('journal_mode = WAL')
      handle.pragma('synchronous = FULL')
      handle.pragma(`wal_autocheckpoint = ${CHECKPOINT_PAGES}`)
    }
    handle.pragma('foreign_keys = ON')
    handle.pragma('temp_store = MEMORY')
    handle.pragma(`cache_size = -${CACHE_KIB}`)
    handle.function('contains_text', { deterministic: true }, containsText)
    return handle
  } catch (error) {
    handle?.close()
    throw files.explain(error)
  }
}

/** SQLite's own `lower` and `like` know the letters of ASCII only. */
function containsText(value: unknown, text: unknown): number | null {
  if (value === null) return null
  return Number(String(value).toLowerCase().includes(String(text).toLowerCase()))
}

const FRAGMENTS: Fragments = {
  among: (column, list) => `${column} in (select value from json_each(${list}))`,
  amongHex: (column, list) => `${column} in (select unhex(value) from json_each(${list}))`,
  contains: (column, text) => `contains_text(${column}, ${text})`,
  refs: (json) => `select unhex(value ->> 0), value ->> 1, value ->> 2 from json_each(${json})`,
  pairs: (json) => `select value ->> 0, value ->> 1 from json_each(${json})`,
  by: (index) => `indexed by ${index}`,
  unindexed: () => 'not indexed',
  // SQLite keeps the order of a cross join.
  next: () => 'cross join',
}

function transactionOn(handle: Database.Database): Transaction {
  const statements = new Map<string, Database.Statement<unknown[]>>()

  function prepared(text: string): Database.Statement<unknown[]> {
    const known = statements.get(text)
    if (known !== undefined) return known
    const made = handle.prepare<unknown[]>(expandFragments(text, FRAGMENTS))
    statements.set(text, made)
    return made
  }

  return {
    get: async <Row>(text: string, parameters?: SqlParameters) =>
      prepared(text).get(bound(parameters)) as Row | undefined,
    all: async <Row>(text: string, parameters?: SqlParameters) => prepared(text).all(bound(parameters)) as Row[],
    run: async (text, parameters) => prepared(text).run(bound(parameters)).changes,
    send: (text, parameters) => void prepared(text).run(bound(parameters)),
    insert: async (into, width, values) => {
      for (let at = 0; at < values.length; at += ROWS_TOGETHER * width) {
        const some = values.slice(at, at + ROWS_TOGETHER * width)
        prepared(insertion(into, width, some.length / width)).run(some)
      }
    },
    reserveIds: async () => {
      const row = prepared("select seq from sqlite_sequence where name = 'search'").get() as { seq: number } | undefined
      return (row?.seq ?? 0) + 1
    },
  }
}

/** SQLite takes a list as a JSON array. */
function bound(parameters: SqlParameters = {}): Record<string, unknown> {
  let changed: Record<string, unknown> | null = null
  for (const name in parameters) {
    if (!Array.isArray(parameters[name])) continue
    changed ??= { ...parameters }
    changed[name] = JSON.stringify(parameters[name])
  }
  return changed ?? parameters
}

function insertion(into: string, width: number, rows: number): string {
  const row = `(${Array(width).fill('?').join(', ')})`
  return `insert into ${into} values ${Array(rows).fill(row).join(', ')}`
}

/** Opens the path again: where another file is at it by now, an export would have rows of both. */
function openSnapshot(files: StoreFiles): Snapshot {
  files.refuseIfLost()
  const handle = openHandle(files, 'read', PATIENCE_MS)
  const { get, all } = transactionOn(handle)
  const explain = (error: unknown): never => {
    throw files.explain(error)
  }
  handle.exec('BEGIN')
  return {
    get: (text, parameters) => get<never>(text, parameters).catch(explain),
    all: (text, parameters) => all<never>(text, parameters).catch(explain),
    close: async () => {
      if (handle.open) handle.close()
    },
  }
}

const mutexes = new Map<string, Mutex>()

/**
 * All writing connections of a file in this process take turns: one that waited for SQLite's lock
 * would block the thread, and with it the transaction that holds the lock.
 */
function sharedMutex(path: string): Mutex {
  const shared = mutexes.get(path) ?? mutex()
  mutexes.set(path, shared)
  return shared
}

function pragma(handle: Database.Database, name: string): number {
  return Number(handle.pragma(name, { simple: true }))
}

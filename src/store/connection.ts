import Database from 'better-sqlite3'
import {
  type Compilable,
  DummyDriver,
  Kysely,
  SqliteAdapter,
  SqliteDialect,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from 'kysely'
import type { Schema } from './schema.js'
import { openStoreFiles, type StoreFiles } from './store-files.js'

/**
 * One SQLite handle. Queries are built and typed by Kysely, or are plain SQL for set updates, and
 * run synchronously. A transaction is one function without an `await`, so nothing can come between
 * its begin and its commit. It uses `BEGIN IMMEDIATE`: a deferred transaction that reads first and
 * then writes fails at once with SQLITE_BUSY_SNAPSHOT if another process wrote in between. Prepared
 * statements are cached by their text.
 */
export interface Connection {
  readonly path: string
  get<Row>(text: string, parameters?: SqlParameters): Row | undefined
  all<Row>(text: string, parameters?: SqlParameters): Row[]
  /**
   * While it runs, the connection can do nothing else. Ends early when the caller stops iterating.
   */
  iterate<Row>(text: string, parameters?: SqlParameters): IterableIterator<Row>
  run(text: string, parameters?: SqlParameters): { readonly changes: number; readonly id: number }
  /** The same for a query that Kysely built. */
  first<Row>(query: Compilable<Row>): Row | undefined
  rows<Row>(query: Compilable<Row>): Row[]
  execute(query: Compilable): { readonly changes: number; readonly id: number }
  /** The files that it has open. */
  readonly files: StoreFiles
  /**
   * One write transaction: all of it or nothing. Throws `UnreachableError` for a locked file, a
   * full or broken disk, or a file that is no longer the store.
   * @param options `evenIfLost`: for the results of a call that is paid for. They are written to
   * the open file, to be rescued.
   */
  write<T>(work: () => T, options?: { readonly evenIfLost: boolean }): T
  /** One consistent read. */
  read<T>(work: () => T): T
  /** Begins a transaction that the caller must end: for group commits and long reads. */
  begin(mode: 'write' | 'read'): void
  commit(): void
  rollback(): void
  /**
   * Rolls back only itself when it throws. `inTransaction` is false afterwards if SQLite rolled
   * back everything.
   */
  savepoint<T>(work: () => T): T
  inTransaction(): boolean
  /** Copies everything that this connection sees to another file, a few pages at a time. */
  backup(to: string): Promise<void>
  /** Checkpoints the write-ahead log into the file, as far as readers allow. */
  checkpoint(): void
  close(): void
}

export type SqlValue = string | number | bigint | Buffer | null
export type SqlParameters = readonly SqlValue[] | Readonly<Record<string, SqlValue>>

/**
 * How long a statement waits for another process's transaction. It blocks the event loop meanwhile.
 */
export const PATIENCE_MS = 2000
/**
 * SQLite's cache per connection. The system's cache serves the rest; mapped pages would count as
 * our memory.
 */
const CACHE_KIB = 32 * 1024
/** 16 MiB of log before a checkpoint. */
const CHECKPOINT_PAGES = 4096
/** 4 MiB of a backup between two turns of the event loop. */
const PAGES_PER_TURN = 1024

/** Builds and compiles queries; executes none. */
export const build = new Kysely<Schema>({
  dialect: {
    createAdapter: () => new SqliteAdapter(),
    createDriver: () => new DummyDriver(),
    createIntrospector: (database) => new SqliteIntrospector(database),
    createQueryCompiler: () => new SqliteQueryCompiler(),
  },
})

/**
 * `migrating` is only for the migrator, which needs a Kysely that executes. It borrows the handle:
 * do not destroy it.
 */
export function openConnection(
  path: string,
  mode: 'write' | 'read',
  patienceMs = PATIENCE_MS,
  files = openStoreFiles(path),
): { readonly connection: Connection; readonly migrating: Kysely<unknown> } {
  const handle = new Database(path, { readonly: mode === 'read', timeout: patienceMs })
  try {
    configure(handle, mode)
  } catch (error) {
    handle.close()
    throw error
  }
  return {
    connection: connectionOn(handle, files),
    migrating: new Kysely<unknown>({ dialect: new SqliteDialect({ database: handle }) }),
  }
}

function configure(handle: Database.Database, mode: 'write' | 'read'): void {
  if (mode === 'write') {
    handle.pragma('journal_mode = WAL')
    handle.pragma('synchronous = FULL')
    handle.pragma(`wal_autocheckpoint = ${CHECKPOINT_PAGES}`)
  }
  handle.pragma('foreign_keys = ON')
  handle.pragma('temp_store = MEMORY')
  handle.pragma(`cache_size = -${CACHE_KIB}`)
}

function connectionOn(handle: Database.Database, files: StoreFiles): Connection {
  const statements = new Map<string, Database.Statement<unknown[]>>()

  function prepared(text: string): Database.Statement<unknown[]> {
    const known = statements.get(text)
    if (known !== undefined) return known
    const made = handle.prepare<unknown[]>(text)
    statements.set(text, made)
    return made
  }

  function get<Row>(text: string, parameters: SqlParameters = []): Row | undefined {
    return prepared(text).get(parameters) as Row | undefined
  }
  function all<Row>(text: string, parameters: SqlParameters = []): Row[] {
    return prepared(text).all(parameters) as Row[]
  }
  function run(text: string, parameters: SqlParameters = []): { changes: number; id: number } {
    const result = prepared(text).run(parameters)
    return { changes: result.changes, id: Number(result.lastInsertRowid) }
  }
  function rollback(): void {
    if (handle.inTransaction) handle.exec('ROLLBACK')
  }
  function begin(mode: 'write' | 'read'): void {
    run(mode === 'write' ? 'BEGIN IMMEDIATE' : 'BEGIN')
  }

  function transaction<T>(mode: 'write' | 'read', work: () => T): T {
    try {
      begin(mode)
      const result = work()
      run('COMMIT')
      return result
    } catch (error) {
      rollback()
      throw files.explain(error)
    }
  }

  return {
    path: files.path,
    files,
    get,
    all,
    run,
    iterate: <Row>(text: string, parameters: SqlParameters = []) =>
      prepared(text).iterate(parameters) as IterableIterator<Row>,
    first: <Row>(query: Compilable<Row>) => {
      const { sql, parameters } = query.compile()
      return get<Row>(sql, parameters as SqlValue[])
    },
    rows: <Row>(query: Compilable<Row>) => {
      const { sql, parameters } = query.compile()
      return all<Row>(sql, parameters as SqlValue[])
    },
    execute: (query) => {
      const { sql, parameters } = query.compile()
      return run(sql, parameters as SqlValue[])
    },
    write: (work, { evenIfLost = false } = { evenIfLost: false }) => {
      if (!evenIfLost) files.refuseIfLost()
      return transaction('write', work)
    },
    read: (work) => {
      // A worker's reads on its writing connection belong to calls in flight. Reports must not come
      // from a lost store.
      if (handle.readonly) files.refuseIfLost()
      return transaction('read', work)
    },
    begin,
    commit: () => run('COMMIT'),
    rollback,
    savepoint: (work) => {
      run('SAVEPOINT piece')
      try {
        const result = work()
        run('RELEASE piece')
        return result
      } catch (error) {
        if (handle.inTransaction) {
          run('ROLLBACK TO piece')
          run('RELEASE piece')
        }
        throw error
      }
    },
    inTransaction: () => handle.inTransaction,
    backup: async (to) => void (await handle.backup(to, { progress: () => PAGES_PER_TURN })),
    checkpoint: () => void handle.pragma('wal_checkpoint(PASSIVE)'),
    close: () => {
      if (handle.open) handle.close()
    },
  }
}

import { closeSync, existsSync, mkdirSync, openSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import pRetry from 'p-retry'
import { ConfigurationError, errorCode, ReportedError, UnreachableError } from '../../domain/errors.js'
import type { Logger } from '../../domain/logger.js'
import type { Engine, Queries, Transaction } from '../engine.js'
import { isMigrated, migrate, versionOf } from '../migrate.js'
import { MIGRATIONS, SCHEMA_VERSION } from '../migrations.js'
import { isStoreLocked } from '../store-locked.js'
import { openConnection, PATIENCE_MS, type SqliteConnection } from './connection.js'
import { damageSentence, driverError, isDamage, storeError } from './explain-error.js'
import { openGroupSize } from './group-size.js'
import { refuseBesideRemains } from './remains.js'
import { openRescue } from './rescue.js'

/** See `OpenOptions`. */
export interface SqliteOptions {
  readonly path: string
  readonly patienceMs?: number
  readonly log: Logger
}

/** How long opening waits for another process that creates or migrates the file. */
const OPENING_PATIENCE_MS = 10_000
const BETWEEN_TRIES_MS = 20
/** Rows of a transaction share most of its cost. */
const ROWS_PER_CHUNK = 10_000

/** One connection that writes, one that only reads. Errors: see `openStore`. */
export async function openSqlite(options: SqliteOptions): Promise<Engine> {
  const { path, patienceMs = PATIENCE_MS } = options
  try {
    prepareFile(path)
    const connection = await retryWhileLocked(async () => openConnection(path, 'write', patienceMs))
    try {
      await bringUpToDate(connection, { ...options, patienceMs })
      return await beginReading(connection)
    } catch (error) {
      await connection.close()
      throw error
    }
  } catch (error) {
    throw openError(error, path)
  }
}

async function beginReading(connection: SqliteConnection): Promise<Engine> {
  const { files } = connection
  const reader = openConnection(files.path, 'read', PATIENCE_MS, files)
  try {
    await reader.read(versionOf)
    // Both connections have read by now, so the log and its index exist.
    files.remember(connection.pageBytes)
  } catch (error) {
    await reader.close()
    throw error
  }
  const health = { ...openRescue(connection), reportDamage: files.reportDamage }
  const sizes = { groupSize: openGroupSize(connection.lockWaitMs), rowsPerChunk: ROWS_PER_CHUNK }
  return { name: files.path, connection, loader: connection, reader, health, ...sizes, lastIds, setLastIds }
}

async function lastIds(tx: Queries): Promise<ReadonlyMap<string, number>> {
  const rows = await tx.all<{ name: string; seq: number }>('select name, seq from sqlite_sequence')
  return new Map(rows.map(({ name, seq }) => [name, seq]))
}

async function setLastIds(tx: Transaction, ids: ReadonlyMap<string, number>): Promise<void> {
  for (const [name, seq] of ids) {
    await tx.run('delete from sqlite_sequence where name = @name', { name })
    await tx.run('insert into sqlite_sequence (name, seq) values (@name, @seq)', { name, seq })
  }
}

function prepareFile(path: string): void {
  if (existsSync(path)) {
    if (!statSync(path).isFile())
      throw new ConfigurationError(
        `Expected the store ${path} to be a file, found something else. Choose another path.`,
      )
    return
  }
  refuseBesideRemains(path)
  makeDirectory(dirname(path))
  closeSync(openSync(path, 'a', 0o600))
}

/**
 * One directory at a time: where none can be created (/proc), Node's recursive mkdir retries
 * forever.
 */
function makeDirectory(path: string): void {
  if (existsSync(path)) return
  makeDirectory(dirname(path))
  try {
    mkdirSync(path, { mode: 0o700 })
  } catch (error) {
    // Another process created it in between.
    if (errorCode(error) !== 'EEXIST') throw error
  }
}

/** All or nothing. */
async function bringUpToDate(
  connection: SqliteConnection,
  { path, patienceMs, log }: Required<SqliteOptions>,
): Promise<void> {
  const version = await connection.read(versionOfFile)
  if (isMigratedFile(version, path)) return
  connection.setPatience(0)
  try {
    const from = await retryWhileLocked(() => connection.write((tx) => migrateFile(tx, path)))
    log.debug({ event: 'store.migrated', path, from, to: SCHEMA_VERSION }, 'the store has the schema of this program')
  } finally {
    connection.setPatience(patienceMs)
  }
}

/** Returns the schema version before the migration. */
async function migrateFile(tx: Transaction, path: string): Promise<number> {
  const from = await versionOfFile(tx)
  if (isMigratedFile(from, path)) return from
  if (from === 0) await refuseForeign(tx, path)
  await migrate(tx, MIGRATIONS)
  return from
}

/**
 * Another process may be creating or migrating the file: wait for it without blocking the event
 * loop.
 */
function retryWhileLocked<T>(work: () => Promise<T>): Promise<T> {
  return pRetry(work, {
    retries: Number.POSITIVE_INFINITY,
    factor: 1,
    minTimeout: BETWEEN_TRIES_MS,
    maxRetryTime: OPENING_PATIENCE_MS,
    shouldRetry: ({ error }) => isStoreLocked(error),
  })
}

/** 0: an empty file. */
async function versionOfFile(tx: Transaction): Promise<number> {
  const isEmpty = (await tx.get("select 1 from sqlite_schema where name = 'meta'")) === undefined
  return isEmpty ? 0 : versionOf(tx)
}

function isMigratedFile(version: number, path: string): boolean {
  return isMigrated(version, path, 'TRACKYARD_DATA_DIR at another directory')
}

/** Never modify a database of another program. */
async function refuseForeign(tx: Transaction, path: string): Promise<void> {
  const table = await tx.get("select name from sqlite_schema where type = 'table' limit 1")
  if (table !== undefined) throw notAStore(path)
}

function notAStore(path: string, cause?: unknown): ConfigurationError {
  return new ConfigurationError(
    `The file ${path} is not a store of trackyard-batch. Choose another path. If it was one, its beginning is damaged: restore a backup (docs/backup.md).`,
    { cause },
  )
}

function openError(error: unknown, path: string): unknown {
  const unusable = driverError(error)
  if (unusable !== null) return unusable
  const code = errorCode(error instanceof UnreachableError ? error.cause : error)
  if (code === 'SQLITE_NOTADB') return notAStore(path, error)
  // A restart does not help here, so a supervisor must not retry.
  if (isDamage(code)) return new ConfigurationError(damageSentence(path, code), { cause: error })
  if (error instanceof ReportedError) return error
  if (code === 'ENOTDIR')
    return new ConfigurationError(
      `The store ${path} cannot be created, because its directory is a file. Point TRACKYARD_DATA_DIR elsewhere.`,
      { cause: error },
    )
  if (code.startsWith('E'))
    return new UnreachableError(
      `The store ${path} cannot be opened or created (${code}). Check the path, its permissions and the disk space.`,
      { code: 'store_unusable', cause: error },
    )
  return storeError(error, path)
}

import { closeSync, existsSync, mkdirSync, openSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { type Kysely, Migrator } from 'kysely'
import { ConfigurationError, errorCode, ReportedError, UnreachableError } from '../domain/errors.js'
import { type Logger, silentLogger } from '../domain/logger.js'
import { accountStore } from './account.js'
import { activityStore } from './activity.js'
import { apiStore } from './api-record.js'
import { batchStore } from './batches.js'
import { callLedger } from './calls.js'
import { type Connection, openConnection, PATIENCE_MS } from './connection.js'
import { deadLetterStore } from './dead-letters.js'
import { driverError } from './driver-error.js'
import { feedStore } from './feed.js'
import { groupCommit } from './group-commit.js'
import { MIGRATIONS, SCHEMA_VERSION } from './migrations.js'
import { notificationRecord } from './notifications.js'
import { pauseStore } from './pauses.js'
import { refuseBesideRemains } from './remains.js'
import { reports } from './reports.js'
import { openRescue } from './rescue.js'
import type { Store } from './store.js'
import { damageSentence, isBusy, isDamage, storeError } from './store-error.js'
import { timelineStore } from './timeline.js'

export interface OpenOptions {
  /** The file. It and its directory are created if missing, readable only by their owner. */
  readonly path: string
  /**
   * Read-only: creates and migrates nothing, and every change throws `UnreachableError`. Default:
   * false.
   */
  readonly readOnly?: boolean
  /**
   * How long a change waits for another process's lock, in ms. It blocks the thread. Default: 2000.
   * Use more only in a process that does nothing else meanwhile.
   */
  readonly patienceMs?: number
  readonly log?: Logger
}

/** How long opening waits for another process that creates or migrates the file. */
const OPENING_PATIENCE_MS = 10_000
const BETWEEN_TRIES_MS = 20

/**
 * Opens the store and migrates its schema. It has one connection that writes, one that only reads,
 * and a group commit. Throws `ConfigurationError` for a file that is no store or a store of a newer
 * version. Throws `UnreachableError` when the file is locked, or cannot be created, read or
 * written.
 */
export async function openStore(options: OpenOptions): Promise<Store> {
  const { path, readOnly = false, patienceMs = PATIENCE_MS, log = silentLogger } = options
  try {
    prepareFile(path, readOnly)
    const { connection, migrating } = await retryWhileLocked(() =>
      openConnection(path, readOnly ? 'read' : 'write', patienceMs),
    )
    try {
      await bringUpToDate(connection, migrating, { readOnly, patienceMs, log })
      return assemble(connection)
    } catch (error) {
      connection.close()
      throw error
    }
  } catch (error) {
    throw openError(error, path)
  }
}

function assemble(connection: Connection): Store {
  const { path, files } = connection
  const openReader = (): Connection => openConnection(path, 'read', PATIENCE_MS, files).connection
  const reader = openReader()
  const group = groupCommit(connection)
  const rescue = openRescue(connection)
  const id = connection.get<{ value: string }>("select value from meta where key = 'store_id'")?.value ?? ''
  // Both connections have read by now, so the log and its index exist.
  files.remember(() => pageBytes(connection))
  return {
    id,
    path,
    createdAt: createdAt(connection),
    trouble: rescue.trouble,
    rescue: rescue.run,
    reportDamage: files.reportDamage,
    batches: batchStore(connection),
    feed: feedStore(connection),
    calls: callLedger(connection, group),
    pauses: pauseStore(connection),
    account: accountStore(connection),
    api: apiStore(connection),
    deadLetters: deadLetterStore(connection),
    notifications: notificationRecord(connection),
    reports: reports(reader, openReader),
    activity: activityStore(connection, reader),
    timeline: timelineStore(connection, reader),
    close: async () => {
      group.flush()
      reader.close()
      connection.close()
    },
  }
}

function createdAt(connection: Connection): string {
  return connection.get<{ at: string | null }>('select min(timestamp) as at from kysely_migration')?.at ?? ''
}

function pageBytes(connection: Connection): number {
  const pages = connection.get<{ page_count: number }>('pragma page_count')?.page_count ?? 0
  return pages * (connection.get<{ page_size: number }>('pragma page_size')?.page_size ?? 0)
}

function prepareFile(path: string, readOnly: boolean): void {
  if (existsSync(path)) {
    if (!statSync(path).isFile())
      throw new ConfigurationError(
        `Expected the store ${path} to be a file, found something else. Choose another path.`,
      )
    return
  }
  if (readOnly)
    throw new ConfigurationError(
      `There is no store at ${path} yet. Submit a catalog first, or check TRACKYARD_DATA_DIR.`,
    )
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

/**
 * Runs under the write lock, so that of two processes that start together only one migrates. All or
 * nothing.
 */
async function bringUpToDate(
  connection: Connection,
  migrating: Kysely<unknown>,
  { readOnly, patienceMs, log }: Required<Pick<OpenOptions, 'readOnly' | 'patienceMs' | 'log'>>,
): Promise<void> {
  if (versionOf(connection) === SCHEMA_VERSION) return
  refuseNewer(connection)
  if (readOnly)
    throw new ConfigurationError(
      `The store ${connection.path} has schema version ${versionOf(connection)} but this program expects ${SCHEMA_VERSION}. Run a command that writes (a worker, a submit) once to migrate it.`,
    )
  connection.get('pragma busy_timeout = 0')
  await retryWhileLocked(() => connection.begin('write'))
  try {
    const from = versionOf(connection)
    refuseNewer(connection)
    if (from === 0) refuseForeign(connection)
    const migrator = new Migrator({ db: migrating, provider: { getMigrations: async () => ({ ...MIGRATIONS }) } })
    const { error } = await migrator.migrateToLatest()
    if (error !== undefined) throw error
    connection.run("insert into meta values ('schema_version', ?) on conflict do update set value = excluded.value", [
      String(SCHEMA_VERSION),
    ])
    connection.commit()
    log.debug(
      { event: 'store.migrated', path: connection.path, from, to: SCHEMA_VERSION },
      'the store has the schema of this program',
    )
  } catch (error) {
    connection.rollback()
    throw error
  } finally {
    connection.get(`pragma busy_timeout = ${patienceMs}`)
  }
}

/**
 * Another process may be creating or migrating the file: wait for it without blocking the event
 * loop.
 */
async function retryWhileLocked<T>(work: () => T): Promise<T> {
  const giveUpAt = performance.now() + OPENING_PATIENCE_MS
  for (;;) {
    try {
      return work()
    } catch (error) {
      if (!isBusy(error) || performance.now() > giveUpAt) throw error
    }
    await setTimeout(BETWEEN_TRIES_MS)
  }
}

/** 0: an empty file. */
function versionOf(connection: Connection): number {
  const isEmpty = connection.get("select 1 from sqlite_schema where name = 'meta'") === undefined
  if (isEmpty) return 0
  return Number(connection.get<{ value: string }>("select value from meta where key = 'schema_version'")?.value ?? 0)
}

function refuseNewer(connection: Connection): void {
  const version = versionOf(connection)
  if (version > SCHEMA_VERSION)
    throw new ConfigurationError(
      `The store ${connection.path} has schema version ${version} but this program supports ${SCHEMA_VERSION}: it was written by a newer trackyard-batch. Install that version, or point TRACKYARD_DATA_DIR at another directory.`,
      { code: 'newer_store' },
    )
}

/** Never modify a database of another program. */
function refuseForeign(connection: Connection): void {
  const table = connection.get<{ name: string }>("select name from sqlite_schema where type = 'table' limit 1")
  if (table !== undefined) throw notAStore(connection.path)
}

function notAStore(path: string, cause?: unknown): ConfigurationError {
  return new ConfigurationError(
    `The file ${path} is not a store of trackyard-batch. Choose another path. If it was one, its beginning is damaged: restore a backup (docs/backup.md).`,
    { cause },
  )
}

function openError(error: unknown, path: string): unknown {
  if (error instanceof ReportedError) return error
  const unusable = driverError(error)
  if (unusable !== null) return unusable
  const code = errorCode(error)
  if (code === 'SQLITE_NOTADB') return notAStore(path, error)
  // A restart does not help here, so a supervisor must not retry.
  if (isDamage(code)) return new ConfigurationError(damageSentence(path, code), { cause: error })
  if (code === 'ENOTDIR')
    return new ConfigurationError(
      `The store ${path} cannot be created, because its directory is a file. Point TRACKYARD_DATA_DIR elsewhere.`,
      { cause: error },
    )
  if (code.startsWith('E'))
    return new UnreachableError(
      `The store ${path} cannot be created (${code}). Check the path, its permissions and the disk space.`,
      { cause: error },
    )
  return storeError(error, path)
}

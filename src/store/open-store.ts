import type { AdjustableClock } from '../domain/clock.js'
import { ConfigurationError, StoreMovedError } from '../domain/errors.js'
import { type Logger, silentLogger } from '../domain/logger.js'
import { accountStore } from './account.js'
import { activityStore } from './activity.js'
import { apiStore } from './api-record.js'
import { batchStore } from './batches.js'
import { callLedger } from './calls.js'
import { deadLetterStore } from './dead-letters.js'
import type { Connection, Engine, Transaction } from './engine.js'
import { feedStore } from './feed.js'
import { groupCommit } from './group-commit.js'
import { readMeta } from './meta.js'
import { notificationStore } from './notifications.js'
import { pauseStore } from './pauses.js'
import type { DatabaseAddress } from './postgres/address.js'
import { queueUseStore } from './queue-use.js'
import { reports } from './reports.js'
import { scheduleStore } from './schedules.js'
import { openSqlite } from './sqlite/open.js'
import type { Store } from './store.js'
import { type Actor, timelineStore } from './timeline.js'

export interface OpenOptions {
  /**
   * The SQLite file. It and its directory are created if missing, readable only by their owner. With
   * a `database`, only what a process could not store there is written beside this path.
   */
  readonly path: string
  /** Use this database of a PostgreSQL server instead. */
  readonly database?: DatabaseAddress | undefined
  /**
   * How long a change waits for another process's lock on the file, in ms. It blocks the thread.
   * Default: 2000. Use more only in a process that does nothing else meanwhile.
   */
  readonly patienceMs?: number
  readonly log?: Logger
  /** Set to the time of a database on a server, and kept there: machines may differ by minutes. */
  readonly clock?: AdjustableClock | undefined
  /** Who is named in the timeline for what this process does. Default: `command`. */
  readonly actor?: Actor
}

/**
 * Opens the store and migrates its schema: the same queries on whichever engine it is.
 * @throws ConfigurationError for a database that is no store, a store of a newer version, and a database, user or
 * password that the server refuses
 * @throws UnreachableError when it is locked, or cannot be reached, created, read or written
 */
export async function openStore(options: OpenOptions): Promise<Store> {
  const { actor = 'command' } = options
  const engine = await openEngine(options)
  const { name, connection, loader, reader, health, groupSize, rowsPerChunk } = engine
  const known = await reader.read(identity).catch(closing(engine))
  const group = groupCommit(connection, groupSize)
  return {
    ...health,
    ...known,
    name,
    path: options.path,
    batches: batchStore({ connection, loader, rowsPerChunk }, actor),
    schedules: scheduleStore(connection),
    feed: feedStore(connection),
    calls: callLedger(connection, group),
    pauses: pauseStore(connection, actor),
    account: accountStore(connection),
    api: apiStore(connection),
    deadLetters: deadLetterStore(connection),
    notifications: notificationStore(connection),
    reports: reports(reader),
    activity: activityStore(connection, reader),
    timeline: timelineStore(connection, reader),
    queueUse: queueUseStore(connection),
    refuseIfMoved: () => refuseIfMoved(engine),
    requireWritable: () => connection.write(changeNothing),
    close: async () => {
      await group.flush()
      await closeEngine(engine)
    },
  }
}

/** Opens one store's database, migrated. @throws ConfigurationError when it was copied elsewhere */
export async function openEngine(options: OpenOptions): Promise<Engine> {
  const opened = await openDatabase(options)
  await refuseIfMoved(opened).catch(closing(opened))
  return { ...opened, connection: refuseChangesIfMoved(opened) }
}

/** What a night changes, each with a column. */
const CHANGED = {
  batch: 'id',
  search: 'id',
  item: 'search_id',
  want: 'search_id',
  answer: 'search_id',
  call: 'id',
}

async function changeNothing(tx: Transaction): Promise<void> {
  for (const [table, column] of Object.entries(CHANGED)) {
    await tx.run(`insert into ${table} select * from ${table} where 1 = 0`)
    await tx.run(`update ${table} set ${column} = ${column} where 1 = 0`)
  }
}

async function refuseIfMoved({ connection, name }: Engine): Promise<void> {
  const moved = await connection.read((tx) => readMeta(tx, 'moved_to'))
  if (moved !== null) throw new ConfigurationError(movedSentence(name, moved))
}

/**
 * Whoever opened the store before it was copied must not change it any more: that would be missing in the copy. A worker
 * that cannot store the end of a call keeps it beside the store. What is loaded meanwhile is never released.
 */
function refuseChangesIfMoved({ connection, name }: Engine): Connection {
  return {
    ...connection,
    write: (work, purpose) =>
      connection.write(async (tx) => {
        // Waits for no answer of its own: the lock is held meanwhile.
        const reading = readMeta(tx, 'moved_to')
        reading.catch(() => {})
        const result = await work(tx)
        const moved = await reading
        if (moved !== null) throw new StoreMovedError(movedSentence(name, moved))
        return result
      }, purpose),
  }
}

/** @param moved the address or path of the copy, and the time */
function movedSentence(name: string, moved: string): string {
  const next = moved.startsWith('postgres')
    ? 'Set TRACKYARD_DATABASE_URL to the copy'
    : 'Unset TRACKYARD_DATABASE_URL, and set TRACKYARD_DATA_DIR to the directory of the copy'
  return `The store ${name} was copied to ${moved} and is not used any more. ${next} (docs/several-machines.md).`
}

async function openDatabase({ database, path, patienceMs, clock, ...options }: OpenOptions): Promise<Engine> {
  const { log = silentLogger } = options
  if (database === undefined) return openSqlite({ path, log, ...(patienceMs === undefined ? {} : { patienceMs }) })
  // Loaded only where it is used, so that `--help` stays fast.
  const { openPostgres } = await import('./postgres/open.js')
  return openPostgres({ database, log, clock })
}

export async function closeEngine(engine: Engine): Promise<void> {
  await engine.reader.close()
  await engine.loader.close()
  await engine.connection.close()
}

function closing(engine: Engine): (error: unknown) => Promise<never> {
  return async (error) => {
    await closeEngine(engine)
    throw error
  }
}

async function identity(tx: Transaction): Promise<Pick<Store, 'id' | 'createdAt'>> {
  const first = await tx.get<{ at: string | null }>('select min(timestamp) as at from kysely_migration')
  return { id: (await readMeta(tx, 'store_id')) ?? '', createdAt: first?.at ?? '' }
}

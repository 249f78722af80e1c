import { ConfigurationError, RefusedError, UnreachableError, UsageError } from '../domain/errors.js'
import { IS_SCHEDULED_SQL } from './batch-row.js'
import type { Queries, SqlValue, Transaction } from './engine.js'
import { readMeta, writeMeta } from './meta.js'
import { versionOf } from './migrate.js'
import { SCHEMA_VERSION } from './migrations.js'
import { closeEngine, type OpenOptions, openEngine } from './open-store.js'
import { getNumber } from './sql.js'

export interface CopyOptions {
  readonly from: OpenOptions
  readonly to: OpenOptions
  readonly now: number
  /** Called every few thousand rows. */
  readonly progress: (table: string, rows: number) => void
  /** Called once nobody else can change the old store. @throws RefusedError while a worker uses it */
  readonly refuseIfUsed: () => Promise<void>
}

export interface Copied {
  readonly from: string
  readonly to: string
  readonly rows: number
}

/** Every table with its primary key; a table comes after the tables that it refers to. A test compares them with the schema. */
export const COPIED_TABLES: readonly { readonly name: string; readonly key: readonly string[] }[] = [
  { name: 'kysely_migration', key: ['name'] },
  { name: 'meta', key: ['key'] },
  { name: 'account', key: ['id'] },
  { name: 'pause', key: ['cause'] },
  { name: 'batch', key: ['id'] },
  { name: 'schedule', key: ['batch_id'] },
  { name: 'search', key: ['id'] },
  { name: 'item', key: ['batch_id', 'position'] },
  { name: 'want', key: ['batch_id', 'search_id'] },
  { name: 'answer', key: ['search_id'] },
  { name: 'tagging', key: ['search_id'] },
  { name: 'call', key: ['id'] },
  { name: 'call_count', key: ['outcome'] },
  { name: 'notification', key: ['id'] },
  { name: 'sample', key: ['minute'] },
  { name: 'timeline', key: ['id'] },
]
/** Their ids are never reused, so the last id of each is copied too. */
const NUMBERED = ['batch', 'search', 'call', 'notification', 'timeline']
/** A new store has no rows in these. Some other tables have rows from the start. */
const EMPTY_IF_NEW = ['batch', 'search', 'call']
const PAGE_ROWS = 1000
const PING_EVERY_MS = 1000

/**
 * Copies a store to another database, in one transaction there. Meanwhile nobody else can change the old store: whoever
 * tries finds it locked. Before the commit, the number of rows of each table is compared, and the old store is marked
 * as moved, so that opening or changing it fails with the new address. A crash between the two commits leaves two
 * complete stores, and the old one still works.
 * @throws RefusedError when the target has rows of its own, or `refuseIfUsed` says so
 */
export async function copyStore({ from, to, now, progress, refuseIfUsed }: CopyOptions): Promise<Copied> {
  const source = await openEngine(from)
  try {
    const target = await openEngine(to)
    try {
      if (target.name === source.name)
        throw new UsageError(`The store ${source.name} cannot be copied to itself. Name an empty database.`)
      return await source.connection.write(async (held) => {
        // The first answer comes once the lock is held.
        await refuseOtherVersion(held, source.name)
        await refuseWhileLoading(held, now)
        await refuseIfUsed()
        const look = await source.connection.snapshot()
        // Keeps this transaction alive, and with it the lock: PostgreSQL ends one that is idle.
        const ping = setInterval(() => void readMeta(held, 'moved_to').catch(() => {}), PING_EVERY_MS)
        try {
          // May take minutes, and a server ends a transaction that is idle for seconds.
          const wanted = await counts(look)
          await target.loader.write(async (tx) => {
            await refuseUnlessNew(tx, target.name)
            await copyTables(look, tx, progress)
            await target.setLastIds(tx, await source.lastIds(look, NUMBERED))
            await refuseUnlessWhole(tx, wanted, target.name)
            writeMeta(held, 'moved_to', `${target.name} at ${new Date(now).toISOString()}`)
            // Fails if the old store's transaction has ended: others may have changed it, so nothing is committed here.
            await readMeta(held, 'moved_to')
          })
          return { from: source.name, to: target.name, rows: total(wanted) }
        } finally {
          clearInterval(ping)
          await look.close()
        }
      }, 'copy')
    } finally {
      await closeEngine(target)
    }
  } finally {
    await closeEngine(source)
  }
}

/** A submit that is loading a catalog sends heartbeats more often than this. */
const LOADING_MS = 60_000

async function refuseWhileLoading(look: Queries, now: number): Promise<void> {
  const batch = await look.get<{ name: string }>(
    `select name from batch
     where state = 'loading' and dropping = 0 and heard_at > @since and not (${IS_SCHEDULED_SQL}) limit 1`,
    { since: now - LOADING_MS },
  )
  if (batch !== undefined)
    throw new RefusedError(`A submit is loading the catalog of ${batch.name}: wait for its end. Nothing was copied.`)
}

/** A program of the previous version knows neither the new tables nor the new columns. */
async function refuseOtherVersion(look: Queries, name: string): Promise<void> {
  const version = await versionOf(look)
  if (version !== SCHEMA_VERSION)
    throw new ConfigurationError(
      `The store ${name} has schema version ${version}, expected ${SCHEMA_VERSION}: nothing was copied. Copy it with the version of trackyard-batch that has migrated it.`,
      { code: 'newer_store' },
    )
}

async function refuseUnlessNew(tx: Queries, name: string): Promise<void> {
  for (const table of EMPTY_IF_NEW) {
    if ((await tx.get(`select 1 as one from ${table} limit 1`)) !== undefined)
      throw new RefusedError(`The store ${name} is not empty: nothing was copied. Name an empty database.`)
  }
}

async function copyTables(look: Queries, tx: Transaction, progress: CopyOptions['progress']): Promise<void> {
  for (const { name, key } of COPIED_TABLES) {
    await tx.run(`delete from ${name}`)
    let copied = 0
    for await (const page of pagesOf(look, name, key)) {
      const columns = Object.keys(page[0] ?? {})
      const values = page.flatMap((row) => columns.map((column) => row[column] ?? null))
      await tx.insert(`${name} (${columns.join(', ')})`, columns.length, values)
      copied += page.length
      progress(name, copied)
    }
  }
}

async function refuseUnlessWhole(tx: Queries, wanted: Counts, name: string): Promise<void> {
  const there = await counts(tx)
  if (!isSame(wanted, there))
    throw new UnreachableError(
      `The copy in ${name} is not whole (${JSON.stringify(there)} rows, expected ${JSON.stringify(wanted)}): it was undone. Is another process using one of the stores?`,
    )
}

type Row = Readonly<Record<string, SqlValue>>

/** All rows of a table by its key. */
async function* pagesOf(look: Queries, table: string, key: readonly string[]): AsyncGenerator<readonly Row[]> {
  const columns = key.join(', ')
  const after = `where (${columns}) > (${key.map((column) => `@${column}`).join(', ')})`
  let last: Row | undefined
  do {
    const page: readonly Row[] = await look.all<Row>(
      `select * from ${table} ${last === undefined ? '' : after} order by ${columns} limit ${PAGE_ROWS}`,
      Object.fromEntries(key.map((column) => [column, last?.[column] ?? null])),
    )
    if (page.length > 0) yield page
    last = page.at(-1)
  } while (last !== undefined)
}

type Counts = Readonly<Record<string, number>>

async function counts(tx: Queries): Promise<Counts> {
  const found: Record<string, number> = {}
  for (const { name } of COPIED_TABLES) {
    found[name] = await getNumber(tx, `select count(*) as n from ${name}`)
  }
  return found
}

function isSame(one: Counts, other: Counts): boolean {
  return COPIED_TABLES.every(({ name }) => one[name] === other[name])
}

function total(rows: Counts): number {
  return Object.values(rows).reduce((sum, count) => sum + count, 0)
}

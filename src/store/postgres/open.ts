import type { AdjustableClock } from '../../domain/clock.js'
import { ConfigurationError } from '../../domain/errors.js'
import type { Logger } from '../../domain/logger.js'
import type { Connection, Engine, Queries, Transaction } from '../engine.js'
import { isMigrated, migrate, versionOf } from '../migrate.js'
import { MIGRATIONS, type Migrations, SCHEMA_VERSION } from '../migrations.js'
import { getNumber } from '../sql.js'
import { type DatabaseAddress, readDatabaseUrl } from './address.js'
import { openConnection, type PostgresConnection } from './connection.js'
import { firstError } from './explain-error.js'

export interface PostgresOptions {
  readonly database: DatabaseAddress
  readonly log: Logger
  readonly clock: AdjustableClock | undefined
}

/** Three connections: one that writes, one that only reads, and, when something is loaded, one for that. Errors: see `openStore`. */
export async function openPostgres({ database, log, clock }: PostgresOptions): Promise<Engine> {
  const target = readDatabaseUrl(database)
  const connection = openConnection(target, 'write')
  const loader = openConnection(target, 'load')
  const reader = openConnection(target, 'read')
  try {
    await refuseSharedSessions(connection, reader, target.name)
    await bringUpToDate(connection, reader, target.name, log)
    return {
      name: target.name,
      connection,
      loader,
      reader: clock === undefined ? reader : await followClock(reader, clock, log),
      health: ALWAYS_THERE,
      groupSize: () => GROUP_SIZE,
      rowsPerChunk: ROWS_PER_CHUNK,
      lastIds,
      setLastIds,
    }
  } catch (error) {
    await reader.close()
    await connection.close()
    throw firstError(error)
  }
}

/** A group holds the lock for a round trip or two for each of its changes. */
const GROUP_SIZE = 25
/** A chunk takes a tenth of a second, during which the claims of all machines wait. */
const ROWS_PER_CHUNK = 2500

/** A database on a server cannot be lost as a file can: it is there, or it cannot be reached. */
const ALWAYS_THERE: Engine['health'] = {
  writeFailure: () => null,
  rescue: async () => true,
  reportDamage: () => {},
}

/**
 * A pooler such as PgBouncer may give each transaction another session of the server, and each session to many clients.
 * Then settings and prepared statements of a session get lost. It shows in one of two ways: two of our connections get
 * the same session, or one connection gets two.
 */
async function refuseSharedSessions(one: PostgresConnection, other: PostgresConnection, name: string): Promise<void> {
  const first = await one.serverProcess()
  const second = await other.serverProcess()
  if (second !== first && (await other.serverProcess()) === second) return
  throw new ConfigurationError(
    `The store ${name} is behind a pooler that changes the session between transactions (as PgBouncer with pool_mode = transaction). Point TRACKYARD_DATABASE_URL at PostgreSQL itself, or at a pool with pool_mode = session.`,
  )
}

const LOOKS = 3
const CLOCK_EVERY_MS = 60_000
/** Log a larger difference: certificates and logs would be wrong too. */
const SKEW_MS = 2000

/**
 * The store has times: when a rate limit ends, when a call was sent. If the clocks of two machines differed by 30 s, one
 * would ignore the rate limit that the other stored, and count its calls in flight as lost. So all use the server's time.
 */
async function followClock(reader: Connection, clock: AdjustableClock, log: Logger): Promise<Connection> {
  const offset = await offsetOf(reader)
  clock.adjust(offset)
  if (Math.abs(offset) > SKEW_MS)
    log.warn(
      { event: 'clock.skewed', offsetMs: Math.round(offset) },
      `the clock of this machine is ${Math.round(Math.abs(offset) / 1000)} s ${offset > 0 ? 'behind' : 'ahead of'} the database's, whose time is used. Set it right, for example by NTP`,
    )
  const timer = setInterval(() => {
    // Keep the last offset while the server is unreachable.
    offsetOf(reader).then(clock.adjust, () => {})
  }, CLOCK_EVERY_MS)
  timer.unref()
  return {
    ...reader,
    close: () => {
      clearInterval(timer)
      return reader.close()
    },
  }
}

/** In ms; wrong by at most half of the shortest of three round trips. */
async function offsetOf(reader: Connection): Promise<number> {
  let best = { tripMs: Number.POSITIVE_INFINITY, offset: 0 }
  for (let look = 0; look < LOOKS; look += 1) {
    const offsetAt = await reader.read(async (tx) => {
      const from = Date.now()
      const server = await tx.get<{ ms: number }>('select extract(epoch from clock_timestamp()) * 1000 as ms')
      const to = Date.now()
      return { tripMs: to - from, offset: (server?.ms ?? from) - (from + to) / 2 }
    })
    if (offsetAt.tripMs < best.tripMs) best = offsetAt
  }
  return best.offset
}

async function bringUpToDate(connection: Connection, reader: Connection, name: string, log: Logger): Promise<void> {
  const encoding = await reader.read((tx) => tx.get<{ server_encoding: string }>('show server_encoding'))
  if (encoding?.server_encoding !== 'UTF8')
    throw new ConfigurationError(
      `The store ${name} has the encoding ${encoding?.server_encoding}, expected UTF8. Create it with \`createdb -E UTF8 -T template0\`.`,
    )
  const version = await reader.read(versionOfDatabase)
  if (isMigrated(version, name, ELSEWHERE)) return
  await connection.write(async (tx) => {
    // Another process may have migrated it, or be of a newer version.
    if (isMigrated(await versionOfDatabase(tx), name, ELSEWHERE)) return
    await migrate(tx, inWordsOfPostgres(MIGRATIONS))
  })
  log.debug(
    { event: 'store.migrated', path: name, from: version, to: SCHEMA_VERSION },
    'the store has the schema of this program',
  )
}

const ELSEWHERE = 'TRACKYARD_DATABASE_URL at another database'

/** 0: it has no tables of ours. */
async function versionOfDatabase(tx: Transaction): Promise<number> {
  const found = await tx.get<{ there: number }>("select to_regclass('meta') is not null as there")
  return found?.there === 1 ? versionOf(tx) : 0
}

/** The migrations are written once, for SQLite. PostgreSQL needs other names of types. */
function inWordsOfPostgres(migrations: Migrations): Migrations {
  return Object.fromEntries(
    Object.entries(migrations).map(([name, statements]) => [
      name,
      statements.map(inTypesOfPostgres).map(withoutChecksOfRows),
    ]),
  )
}

/**
 * Leaves out the foreign keys of `item` and `want`: checking them takes half of the server's time while a catalog is
 * loaded. SQLite runs the same statements and checks them at almost no cost.
 * A database of an earlier version keeps its foreign keys, and is only slower.
 */
function withoutChecksOfRows(statement: string): string {
  return /^create table (item|want) /.test(statement) ? statement.replace(/ references \w+/g, '') : statement
}

function inTypesOfPostgres(statement: string): string {
  return statement
    .replaceAll('integer primary key autoincrement', 'bigint generated by default as identity primary key')
    .replace(/\binteger\b/g, 'bigint')
    .replace(/\bblob\b/g, 'bytea')
    .replace(/\breal\b/g, 'double precision')
    .replace(/\) strict(, without rowid)?$/, ')')
}

async function lastIds(tx: Queries, tables: readonly string[]): Promise<ReadonlyMap<string, number>> {
  const ids = new Map<string, number>()
  for (const table of tables) {
    ids.set(
      table,
      await getNumber(tx, `select case when is_called then last_value else 0 end as n from ${table}_id_seq`),
    )
  }
  return ids
}

async function setLastIds(tx: Transaction, ids: ReadonlyMap<string, number>): Promise<void> {
  for (const [table, last] of ids) {
    if (last > 0) await tx.all(`select setval('${table}_id_seq', @last)`, { last })
  }
}

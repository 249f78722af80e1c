import { randomUUID } from 'node:crypto'
import { ConfigurationError } from '../domain/errors.js'
import { CALL_OUTCOMES } from '../domain/outcome.js'
import type { Queries, Transaction } from './engine.js'
import { readMeta, writeMeta } from './meta.js'
import { type Migrations, SCHEMA_VERSION } from './migrations.js'

/**
 * Runs what was not run yet. For use under the write lock, so that of two processes that start
 * together only one migrates.
 * @param migrations in the words of the engine
 */
export async function migrate(tx: Transaction, migrations: Migrations): Promise<void> {
  // The name of the table is that of the first version's library.
  await tx.run('create table if not exists kysely_migration (name text primary key, timestamp text not null)')
  const applied = new Set((await tx.all<{ name: string }>('select name from kysely_migration')).map(({ name }) => name))
  for (const [name, statements] of Object.entries(migrations)) {
    if (applied.has(name)) continue
    for (const statement of statements) await tx.run(statement)
    const timestamp = new Date().toISOString()
    await tx.run('insert into kysely_migration (name, timestamp) values (@name, @timestamp)', { name, timestamp })
  }
  if (applied.size === 0) await addFirstRows(tx)
  writeMeta(tx, 'schema_version', SCHEMA_VERSION)
}

async function addFirstRows(tx: Transaction): Promise<void> {
  writeMeta(tx, 'store_id', randomUUID())
  await tx.run('insert into account (id) values (1)')
  for (const outcome of CALL_OUTCOMES)
    await tx.run('insert into call_count (outcome, calls) values (@outcome, 0)', { outcome })
}

/** The version of the schema. The store must have tables. */
export async function versionOf(tx: Queries): Promise<number> {
  return Number(await readMeta(tx, 'schema_version'))
}

/**
 * Migrations only add, so programs of two versions in a row work side by side while machines are upgraded one after
 * another.
 */
const MAY_BE_AHEAD_BY = 1

/**
 * Whether there is nothing to migrate.
 * @param elsewhere the setting that names another store
 * @throws ConfigurationError for a store that is too new
 */
export function isMigrated(version: number, store: string, elsewhere: string): boolean {
  if (version > SCHEMA_VERSION + MAY_BE_AHEAD_BY)
    throw new ConfigurationError(
      `The store ${store} has schema version ${version} but this program supports ${SCHEMA_VERSION} and the next: it was written by a newer trackyard-batch. Install that version, or point ${elsewhere}.`,
      { code: 'newer_store' },
    )
  return version >= SCHEMA_VERSION
}

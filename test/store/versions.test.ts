import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { ConfigurationError } from '../../src/domain/errors.js'
import { SCHEMA_VERSION } from '../../src/store/migrations.js'
import { oneOfEach, readEverything } from './one-of-each.js'
import { onPostgres, storeInTemp, type TempStore } from './setup.js'

/** A new program has migrated the store, while workers of this one run or start again. */
let temp: TempStore
beforeEach(async () => {
  temp = await storeInTemp()
})
afterEach(() => temp.end())

const ahead = (versions: number) => [
  `update meta set value = '${SCHEMA_VERSION + versions}' where key = 'schema_version'`,
]
const ADDED = [
  ...['batch', 'item', 'search', 'want', 'answer', 'call', 'account', 'notification', 'sample', 'timeline'].map(
    (table) => `alter table ${table} add added text`,
  ),
  'create table added (id bigint primary key)',
]
/** The database is one for the whole file on PostgreSQL. */
const REMOVED = ADDED.map((statement) =>
  statement.replace('add added text', 'drop column added').replace(/^create table added.*/, 'drop table added'),
)

describe('a store that is one version ahead', () => {
  test('is used on by a program that runs, and opened by one that starts', async () => {
    await oneOfEach(temp.store)
    await readEverything(temp.store)
    await temp.alter(...ADDED, ...ahead(1))
    try {
      await oneOfEach(temp.store, undefined, 'again ')
      await readEverything(temp.store)
      const restarted = await temp.openAgain()
      await oneOfEach(restarted, undefined, 'restarted ')
      await readEverything(restarted)
      const version = await temp.reader.read((tx) => tx.get("select value from meta where key = 'schema_version'"))
      expect(version).toEqual({ value: String(SCHEMA_VERSION + 1) })
    } finally {
      if (onPostgres) await temp.alter(...REMOVED, ...ahead(0))
    }
  })

  test('two ahead, it is refused', async () => {
    await temp.alter(...ahead(2))
    try {
      const refused = temp.openAgain()
      await expect(refused).rejects.toBeInstanceOf(ConfigurationError)
      await expect(refused).rejects.toThrow(/schema version \d+ but this program supports \d+ and the next/)
    } finally {
      if (onPostgres) await temp.alter(...ahead(0))
    }
  })
})

import { existsSync, mkdirSync, mkdtempSync, readdirSync, readlinkSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import Database from 'better-sqlite3'
import { ConfigurationError, UnreachableError } from '../../src/domain/errors.js'
import { SCHEMA_VERSION } from '../../src/store/migrations.js'
import { openStore } from '../../src/store/open-store.js'
import { released } from './setup.js'

let directory: string
let path: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'open-'))
  path = join(directory, 'deep', 'er', 'store.db')
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

async function failure(opening: Promise<unknown>): Promise<unknown> {
  return opening.then(
    () => new Error('expected opening to fail, it succeeded'),
    (error: unknown) => error,
  )
}

describe('opening a store', () => {
  test('makes the directory and the file for their owner alone', async () => {
    const store = await openStore({ path })
    const [group, file] = [statSync(dirname(path)).mode & 0o777, statSync(path).mode & 0o777]
    await store.close()
    expect([group.toString(8), file.toString(8)]).toEqual(['700', '600'])
  })

  test('keeps its id and what was written over a second opening', async () => {
    const first = await openStore({ path })
    await released(first, ['one'], {}, { name: 'kept' })
    await first.close()
    const second = await openStore({ path })
    expect(second.id).toBe(first.id)
    expect(second.id).toMatch(/^[0-9a-f-]{36}$/)
    expect((await second.batches.find(null))?.name).toBe('kept')
    await second.close()
  })

  test('two that open a new file at once make one store', async () => {
    const stores = await Promise.all([openStore({ path }), openStore({ path })])
    expect(stores[0].id).toBe(stores[1].id)
    for (const store of stores) await store.close()
  })

  test('a store of an earlier version is brought up to date and keeps what it has', async () => {
    const before = await openStore({ path })
    await released(before, ['one'], {}, { name: 'kept', byteOrderMark: true })
    expect((await before.batches.find('kept'))?.byteOrderMark).toBe(true)
    await before.close()
    const file = new Database(path)
    file.exec(`alter table batch drop column byte_order_mark; alter table batch drop column raised;
      alter table batch drop column quoting; alter table batch drop column preamble;
      alter table batch drop column through_at; alter table batch drop column release_notified_at;
      alter table batch drop column dead_letters_notified_at; alter table batch drop column continues;
      alter table batch drop column row_options; alter table batch drop column refused;
      alter table batch drop column late_notified_at; alter table batch drop column cancel_notified_at;
      alter table call drop column token;
      alter table item drop column line;
      drop index search_dead_since; drop index search_refused;
      alter table search drop column rate_limits; alter table search drop column refusals;
      alter table search drop column refused_from;
      drop table notification; drop table sample; drop table timeline; drop table tagging; drop table schedule;
      update meta set value = '1' where key = 'schema_version';
      delete from kysely_migration where name > '0001-the-record'`)
    file.close()
    const after = await openStore({ path })
    expect(await after.batches.find('kept')).toMatchObject({ name: 'kept', byteOrderMark: false })
    await after.close()
  })

  test('a newer schema is refused, and the message names both versions and the way out', async () => {
    await (await openStore({ path })).close()
    const file = new Database(path)
    file.exec(`update meta set value = '${SCHEMA_VERSION + 2}' where key = 'schema_version'`)
    file.close()
    const error = await failure(openStore({ path }))
    expect(error).toBeInstanceOf(ConfigurationError)
    expect(String(error)).toMatch(/version \d+ .*supports \d+.*newer trackyard-batch.*TRACKYARD_DATA_DIR/)
  })

  test("somebody else's database is refused and left as it was", async () => {
    mkdirSync(dirname(path), { recursive: true })
    const file = new Database(path)
    file.exec('create table recipe (name text)')
    file.close()
    expect(await failure(openStore({ path }))).toBeInstanceOf(ConfigurationError)
    const after = new Database(path)
    const tables = after.prepare("select name from sqlite_schema where type = 'table'").pluck().all()
    after.close()
    expect(tables).toEqual(['recipe'])
  })

  test('a file that is no SQLite file, and a directory, are named as such', async () => {
    const text = join(directory, 'notes.txt')
    writeFileSync(text, 'not a database, and long enough to be read as one '.repeat(50))
    const noStore = await failure(openStore({ path: text }))
    expect(noStore).toBeInstanceOf(ConfigurationError)
    expect(String(noStore)).toContain('is not a store of trackyard-batch')
    const noFile = await failure(openStore({ path: directory }))
    expect(noFile).toBeInstanceOf(ConfigurationError)
    expect(String(noFile)).toContain('to be a file')
  })

  test('a file in the place of its directory is named, with the setting to change', async () => {
    const file = join(directory, 'file')
    writeFileSync(file, '')
    for (const path of [join(file, 'store.db'), join(file, 'deeper', 'store.db')]) {
      const error = await failure(openStore({ path }))
      expect(error).toBeInstanceOf(ConfigurationError)
      expect(String(error)).toMatch(/because its directory is a file\. Point TRACKYARD_DATA_DIR elsewhere/)
    }
  })

  test('a directory that cannot be made is out of reach, with the reason', async () => {
    const error = await failure(openStore({ path: join(directory, 'x'.repeat(300), 'deeper', 'store.db') }))
    expect(error).toMatchObject({ exitCode: 3, code: 'store_unusable' })
    expect(String(error)).toMatch(/cannot be opened or created \(E[A-Z]+\)\. Check the path/)
  })

  const onLinux = process.platform === 'linux' ? test : test.skip
  onLinux('a store that cannot be opened is not kept open', async () => {
    await (await openStore({ path })).close()
    const file = new Database(path)
    file.exec('drop table kysely_migration')
    file.close()
    await failure(openStore({ path }))
    const descriptors = readdirSync('/proc/self/fd').flatMap((fd) => {
      const link = `/proc/self/fd/${fd}`
      return existsSync(link) ? readlinkSync(link) : []
    })
    expect(descriptors.filter((name) => name.startsWith(path))).toEqual([])
  })

  onLinux('a file system that makes no directories is out of reach too, and at once', async () => {
    expect(await failure(openStore({ path: '/proc/nowhere/at/all/store.db' }))).toBeInstanceOf(UnreachableError)
  })
})

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import pg from 'pg'
import { type PostgresServer, postgresBinaries, startPostgresServer } from '../../scripts/postgres-server.js'
import { RefusedError } from '../../src/domain/errors.js'
import { COPIED_TABLES, copyStore } from '../../src/store/copy.js'
import { SCHEMA_VERSION } from '../../src/store/migrations.js'
import { type OpenOptions, openStore } from '../../src/store/open-store.js'
import { openConnection } from '../../src/store/sqlite/connection.js'
import type { Store } from '../../src/store/store.js'
import { until } from '../support/until.js'
import { feedAll, loaded, refOf, released, settle } from './setup.js'

const NOW = 1_000_000
const progress = () => {}

let directory: string
let file: OpenOptions
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'store-copy-'))
  file = { path: join(directory, 'trackyard.db') }
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

async function withStore<T>(options: OpenOptions, use: (store: Store) => Promise<T>): Promise<T> {
  const store = await openStore(options)
  try {
    return await use(store)
  } finally {
    await store.close()
  }
}

/** One of each: answered, without a match, refused, open, withheld, invalid; an id of a batch that is gone. */
async function fill(store: Store): Promise<void> {
  await released(store, ['a', 'b', 'c', 'd', 'e'], { maxCredits: 3 })
  await feedAll(store)
  await settle(store, 'a', 'answered')
  await settle(store, 'b', 'noMatch')
  await settle(store, 'c', 'refused')
  await store.pauses.add({ cause: 'operator', since: NOW, detail: 'lünch — 🎵' })
  await store.account.update({ creditsRemaining: 77, tier: 'pro' }, NOW)
  const dropped = await loaded(store, ['x', 'y'])
  await store.batches.drop(dropped)
}

interface Seen {
  readonly rows: readonly unknown[]
  readonly totals: unknown
  readonly pauses: unknown
  readonly account: unknown
  readonly id: string
}

async function seen(store: Store): Promise<Seen> {
  const rows: unknown[] = []
  for await (const row of store.reports.exportRows(1)) rows.push(row)
  return {
    rows,
    totals: await store.reports.totals(NOW),
    pauses: await store.pauses.list(),
    account: await store.account.get(),
    id: store.id,
  }
}

test('every table of the schema is copied', async () => {
  await withStore(file, async () => {})
  const connection = openConnection(file.path, 'read')
  const tables = await connection.read((tx) =>
    tx.all<{ name: string }>("select name from sqlite_schema where type = 'table' and name not like 'sqlite_%'"),
  )
  await connection.close()
  expect(tables.map(({ name }) => name).sort()).toEqual(COPIED_TABLES.map(({ name }) => name).sort())
})

describe('to another file', () => {
  const other = (): OpenOptions => ({ path: join(directory, 'other', 'trackyard.db') })

  test('is refused where the target has rows; the old store goes on', async () => {
    await withStore(file, fill)
    await withStore(other(), fill)
    const copying = copyStore({ from: file, to: other(), now: NOW, progress })
    await expect(copying).rejects.toThrow(RefusedError)
    await withStore(file, async (store) => expect((await seen(store)).rows).toHaveLength(5))
  })

  test('is refused while a submit is loading', async () => {
    await withStore(file, async (store) => void (await loaded(store, ['a'])))
    const copying = copyStore({ from: file, to: other(), now: 0, progress })
    await expect(copying).rejects.toThrow(/is loading the catalog/)
  })

  test('takes a scheduled batch with it, whenever it was loaded', async () => {
    await withStore(file, async (store) => {
      const id = await loaded(store, ['a'], { createdAt: NOW })
      const schedule = { batchId: id, notBefore: 2 * NOW, deadline: null }
      await store.schedules.set(schedule, { maxCredits: null, first: null })
    })
    await copyStore({ from: file, to: other(), now: NOW, progress })
    await withStore(other(), async (store) => expect(await store.schedules.releaseDue(2 * NOW)).toEqual([1]))
  })

  test('is refused to a program of the version before, which knows not all of it', async () => {
    await withStore(file, fill)
    const connection = openConnection(file.path, 'write')
    const ahead = String(SCHEMA_VERSION + 1)
    await connection.write((tx) => tx.run("update meta set value = @ahead where key = 'schema_version'", { ahead }))
    await connection.close()
    const copying = copyStore({ from: file, to: other(), now: NOW, progress })
    await expect(copying).rejects.toMatchObject({ exitCode: 78, code: 'newer_store' })
    await withStore(file, async (store) => expect((await seen(store)).rows).toHaveLength(5))
  })

  test('a copy whose mark was lost is recognised, and the old store marked', async () => {
    await withStore(file, fill)
    await copyStore({ from: file, to: other(), now: NOW, progress })
    const connection = openConnection(file.path, 'write')
    await connection.write((tx) => tx.run("delete from meta where key = 'moved_to'"))
    await connection.close()
    await copyStore({ from: file, to: other(), now: NOW, progress })
    await expect(openStore(file)).rejects.toThrow(/was copied to .*other.trackyard\.db at 1970/)
  })
})

const withPostgres = postgresBinaries() === null ? describe.skip : describe
withPostgres('to PostgreSQL and back', () => {
  let server: PostgresServer
  let database: OpenOptions
  const named = async (name: string): Promise<OpenOptions> => ({
    path: '/nowhere',
    database: { url: await server.createDatabase(name), ca: null },
  })
  beforeAll(async () => {
    server = await startPostgresServer()
    database = await named('copy')
  })
  afterAll(() => server.close())

  test('everything is the same; ids go on where they were; the old store names the new one', async () => {
    const before = await withStore(file, async (store) => {
      await fill(store)
      return seen(store)
    })
    const shown: string[] = []
    const copied = await copyStore({ from: file, to: database, now: NOW, progress: (table) => shown.push(table) })
    expect(copied).toMatchObject({ from: file.path, to: expect.stringMatching(/^postgres:\/\/tester@.*\/copy$/) })
    expect(copied.rows).toBeGreaterThan(20)
    expect(shown).toContain('search')
    expect(await withStore(database, seen)).toEqual(before)
    await expect(openStore(file)).rejects.toThrow(
      /was copied to postgres:\/\/tester@.*and is not used any more\. Set TRACKYARD_DATABASE_URL/,
    )
    // The batch that was dropped had the second id.
    const ids = await withStore(database, async (store) => {
      await store.pauses.lift('operator', false, Date.now())
      const id = await released(store, ['d', 'new'])
      await feedAll(store)
      await settle(store, 'd', 'answered')
      return [id, await store.reports.show(refOf('d').fingerprint, null)]
    })
    expect(ids).toEqual([3, expect.objectContaining({ state: 'answered' })])

    const back: OpenOptions = { path: join(directory, 'back.db') }
    const there = await withStore(database, seen)
    await copyStore({ from: database, to: back, now: NOW, progress })
    expect(await withStore(back, seen)).toEqual(there)
    await expect(openStore(database)).rejects.toThrow(/was copied to .*back\.db/)
    expect(await withStore(back, (store) => released(store, ['z']))).toBe(4)
  })

  test('counting the rows of a large store keeps no transaction of the target open, which the server would end', async () => {
    const [source, target] = [await named('source'), await named('target')]
    await withStore(source, fill)
    const blocker = new pg.Client({ connectionString: server.url('source') })
    await blocker.connect()
    await blocker.query('begin; lock table item in access exclusive mode')
    const sessions = async (name: string, condition: string) =>
      Number(await server.query(`select count(*) from pg_stat_activity where datname = '${name}' and ${condition}`))
    const copying = copyStore({ from: source, to: target, now: NOW, progress })
    try {
      await until(async () => (await sessions('source', "wait_event_type = 'Lock'")) > 0, {
        timeoutMs: 60_000,
        what: 'the count of items to wait for the lock',
      })
      expect(await sessions('target', "state like 'idle in transaction%'")).toBe(0)
    } finally {
      await blocker.end()
    }
    await copying
    await withStore(target, async (store) => expect((await seen(store)).rows).toHaveLength(5))
  })
})

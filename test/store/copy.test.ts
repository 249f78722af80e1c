import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import pg from 'pg'
import { type PostgresServer, postgresBinaries, startPostgresServer } from '../../scripts/postgres-server.js'
import { RefusedError, UnreachableError, UsageError } from '../../src/domain/errors.js'
import { COPIED_TABLES, type CopyOptions, copyStore } from '../../src/store/copy.js'
import { SCHEMA_VERSION } from '../../src/store/migrations.js'
import { type OpenOptions, openStore } from '../../src/store/open-store.js'
import { openConnection } from '../../src/store/sqlite/connection.js'
import type { Store } from '../../src/store/store.js'
import { until } from '../support/until.js'
import { claim, close, feedAll, granted, loaded, newBatch, refOf, released, settle } from './setup.js'

const NOW = 1_000_000

const copy = (from: OpenOptions, to: OpenOptions, options: Partial<CopyOptions> = {}) =>
  copyStore({ from, to, now: NOW, progress: () => {}, refuseIfUsed: async () => {}, ...options })

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
    const copying = copy(file, other())
    await expect(copying).rejects.toThrow(RefusedError)
    await withStore(file, async (store) => expect((await seen(store)).rows).toHaveLength(5))
  })

  test('is refused while a submit is loading', async () => {
    await withStore(file, async (store) => void (await loaded(store, ['a'])))
    const copying = copy(file, other(), { now: 0 })
    await expect(copying).rejects.toThrow(/is loading the catalog/)
  })

  test('takes a scheduled batch with it, whenever it was loaded', async () => {
    await withStore(file, async (store) => {
      const id = await loaded(store, ['a'], { createdAt: NOW })
      const schedule = { batchId: id, notBefore: 2 * NOW, deadline: null }
      await store.schedules.set(schedule, { maxCredits: null, first: null })
    })
    await copy(file, other())
    await withStore(other(), async (store) => expect(await store.schedules.releaseDue(2 * NOW)).toEqual([1]))
  })

  test('is refused to a program of the version before, which knows not all of it', async () => {
    await withStore(file, fill)
    const connection = openConnection(file.path, 'write')
    const ahead = String(SCHEMA_VERSION + 1)
    await connection.write((tx) => tx.run("update meta set value = @ahead where key = 'schema_version'", { ahead }))
    await connection.close()
    const copying = copy(file, other())
    await expect(copying).rejects.toMatchObject({ exitCode: 78, code: 'newer_store' })
    await withStore(file, async (store) => expect((await seen(store)).rows).toHaveLength(5))
  })

  test('is refused to the store itself', async () => {
    await withStore(file, fill)
    await expect(copy(file, file)).rejects.toThrow(UsageError)
    await withStore(file, async (store) => expect((await seen(store)).rows).toHaveLength(5))
  })

  test('is refused while somebody uses the store, which goes on; asked when nobody can change it', async () => {
    await withStore(file, async (store) => {
      await released(store, ['a'])
      await feedAll(store)
      let claiming: Promise<string> | undefined
      const refuseIfUsed = async () => {
        claiming = claim(store, 'a').then(({ kind }) => kind)
        await nextTurn()
        throw new RefusedError('1 worker uses the store')
      }
      await expect(copy(file, other(), { refuseIfUsed })).rejects.toThrow('1 worker uses the store')
      expect(await claiming).toBe('granted')
    })
    await copy(file, other())
    await withStore(other(), async (store) => expect(await store.calls.latest()).toBe(1))
  })

  test('nothing that somebody wants to write meanwhile is lost: it is refused', () =>
    refusesChangesDuring(file, other()))
})

/** Whoever has the old store open when it is copied. */
async function refusesChangesDuring(from: OpenOptions, to: OpenOptions): Promise<void> {
  const store = await openStore(from)
  try {
    await released(store, ['a', 'b'])
    await feedAll(store)
    const call = await granted(store, 'a')
    const meanwhile: Promise<unknown>[] = []
    const refuseIfUsed = async () => {
      meanwhile.push(claim(store, 'b'), close(store, call, 'answered'), store.batches.create(newBatch()))
    }
    await copy(from, to, { refuseIfUsed })
    for (const { reason } of (await Promise.allSettled(meanwhile)) as PromiseRejectedResult[]) {
      // One that can be repeated: a worker keeps what it was paid for.
      expect(reason).toBeInstanceOf(UnreachableError)
      expect([reason.code, reason.exitCode]).toEqual(['configuration', 78])
      expect(reason.message).toMatch(/was copied to .* and is not used any more\. .*et TRACKYARD_DATABASE_URL/)
    }
    await expect(store.refuseIfMoved()).rejects.toMatchObject({ exitCode: 78 })
  } finally {
    await store.close()
  }
  await withStore(to, async (copied) => {
    expect(await copied.batches.idsOf(newBatch().name)).toEqual([1])
    expect((await copied.reports.totals(NOW)).callsByOutcome).toMatchObject({ sent: 1, answered: 0 })
  })
}

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
    const copied = await copy(file, database, { progress: (table) => shown.push(table) })
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
    await copy(database, back)
    expect(await withStore(back, seen)).toEqual(there)
    await expect(openStore(database)).rejects.toThrow(
      /was copied to .*back\.db .* set TRACKYARD_DATA_DIR to the directory/,
    )
    expect(await withStore(back, (store) => released(store, ['z']))).toBe(4)
  })

  test('nothing that somebody wants to write meanwhile is lost: it is refused', async () =>
    refusesChangesDuring(await named('busy'), { path: join(directory, 'busy.db') }))

  test('a copy that loses its lock of the old store is undone, and can be made again', async () => {
    const [source, target] = [await named('unlocked'), { path: join(directory, 'unlocked.db') }]
    await withStore(source, fill)
    const refuseIfUsed = async () =>
      expect(
        await server.query("select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory'", 'unlocked'),
      ).toContain('t')
    await expect(copy(source, target, { refuseIfUsed })).rejects.toBeInstanceOf(UnreachableError)
    await copy(source, target)
    await withStore(target, async (store) => expect((await seen(store)).rows).toHaveLength(5))
  })

  test('the transaction that keeps others from the old store is not idle however long the copy takes', async () => {
    const [source, target] = [await named('held'), await named('slow')]
    await withStore(source, fill)
    await withStore(target, async () => {})
    const blocker = new pg.Client({ connectionString: server.url('slow') })
    await blocker.connect()
    await blocker.query('begin; lock table item in access exclusive mode')
    const lastHeard = () =>
      server.query(
        "select state_change from pg_stat_activity join pg_locks using (pid) where datname = 'held' and locktype = 'advisory'",
      )
    const copying = copy(source, target)
    try {
      const isWaiting = "select count(*) from pg_stat_activity where datname = 'slow' and wait_event_type = 'Lock'"
      await until(async () => Number(await server.query(isWaiting)) > 0, {
        timeoutMs: 60_000,
        what: 'the copy to wait for the lock',
      })
      const before = await lastHeard()
      expect(before).toMatch(/^\d{4}-/)
      const isHeardAgain = async () => {
        const now = await lastHeard()
        return now !== before && now.startsWith('20')
      }
      await until(isHeardAgain, { timeoutMs: 20_000, what: 'a sign of life' })
    } finally {
      await blocker.end()
      await copying.catch(() => {})
    }
  })

  test('counting the rows of a large store keeps no transaction of the target open, which the server would end', async () => {
    const [source, target] = [await named('source'), await named('target')]
    await withStore(source, fill)
    const blocker = new pg.Client({ connectionString: server.url('source') })
    await blocker.connect()
    await blocker.query('begin; lock table item in access exclusive mode')
    const sessions = async (name: string, condition: string) =>
      Number(await server.query(`select count(*) from pg_stat_activity where datname = '${name}' and ${condition}`))
    const copying = copy(source, target)
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

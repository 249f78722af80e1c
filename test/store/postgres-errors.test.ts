/** What a real PostgreSQL refuses, and what is said about it. */
import { execFileSync } from 'node:child_process'
import { chownSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import { type PostgresServer, postgresBinaries, startPostgresServer } from '../../scripts/postgres-server.js'
import { ConfigurationError, UnreachableError } from '../../src/domain/errors.js'
import { openStore } from '../../src/store/open-store.js'
import type { Store } from '../../src/store/store.js'
import { smallDisk } from '../support/disk.js'
import { claim, close, granted, newBatch, released, row } from './setup.js'

const here = postgresBinaries() === null ? describe.skip : describe
/** A disk of its own is mounted by root only. */
const asRoot = process.getuid?.() === 0 ? test : test.skip

here('a server that refuses', () => {
  let server: PostgresServer
  const opened: Store[] = []
  beforeAll(async () => {
    server = await startPostgresServer()
    await server.query('create role clerk login')
  })
  afterEach(async () => {
    for (const store of opened.splice(0)) await store.close()
  })
  afterAll(() => server.close())

  async function open(url: string): Promise<Store> {
    const store = await openStore({ path: join(tmpdir(), 'nowhere', 'store.db'), database: { url, ca: null } })
    opened.push(store)
    return store
  }

  const as = (user: string, url: string) => url.replace('tester@', `${user}@`)

  /** A store of its own, used by a user who is no superuser. */
  async function clerksStore(name: string, options = ''): Promise<Store> {
    await server.query(`create database ${name} owner clerk ${options}`)
    return open(as('clerk', server.url(name)))
  }

  async function error(work: Promise<unknown>): Promise<unknown> {
    return work.then(
      () => 'nothing was refused',
      (thrown: unknown) => thrown,
    )
  }

  function expectUnreachable(thrown: unknown, sentence: RegExp): void {
    expect(thrown).toBeInstanceOf(UnreachableError)
    expect(String(thrown)).toMatch(sentence)
  }

  test('a user that it does not know', async () => {
    const thrown = await error(open(as('nobody', server.url('postgres'))))
    expect(thrown).toBeInstanceOf(ConfigurationError)
    expect(String(thrown)).toMatch(/postgres:\/\/nobody@.* refused the user\. Check the user in TRACKYARD_DATABASE_URL/)
  })

  test('a user who may create no tables', async () => {
    const thrown = await error(open(as('clerk', await server.createDatabase('foreign_rights'))))
    expect(thrown).toBeInstanceOf(ConfigurationError)
    expect(String(thrown)).toMatch(/gives the user too few rights\. It must be allowed to create tables/)
  })

  test('too many connections, until there is room', async () => {
    const store = await clerksStore('crowded')
    await released(store, ['crowded'])
    await server.query('alter role clerk connection limit 0')
    await server.query("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'clerk'")
    // The first finds its connection ended.
    await error(claim(store, 'crowded'))
    expectUnreachable(await error(claim(store, 'crowded')), /takes no more connections\. Raise max_connections/)
    await server.query('alter role clerk connection limit -1')
    expect((await claim(store, 'crowded')).kind).toBe('granted')
  })

  test.each(['call', 'answer'])('a user who may not change the table %s: a check finds that out', async (table) => {
    const name = `limited_${table}`
    const store = await clerksStore(name)
    const id = await released(store, ['a'])
    await store.requireWritable()
    await server.query(`revoke insert on ${table} from clerk`, name)
    expect(String(await error(store.requireWritable()))).toMatch(/too few rights\. .* to read and change all/)
    expect((await store.batches.find(String(id)))?.charged).toBe(0)
  })

  test('changes in a database that has become read-only', async () => {
    const store = await clerksStore('readonly')
    await released(store, ['readonly'])
    const call = await granted(store, 'readonly')
    await server.query('alter database readonly set default_transaction_read_only = on')
    await server.query("select pg_terminate_backend(pid) from pg_stat_activity where datname = 'readonly'")
    await error(close(store, call, 'answered'))
    expectUnreachable(await error(close(store, call, 'answered')), /is read-only: the server may have become a standby/)
    await server.query('alter database readonly reset default_transaction_read_only')
    await server.query("select pg_terminate_backend(pid) from pg_stat_activity where datname = 'readonly'")
    await error(close(store, call, 'answered'))
    await close(store, call, 'answered')
    expect((await store.batches.find(null))?.charged).toBe(1)
  })

  asRoot('a full disk, until there is room', async () => {
    const disk = await smallDisk(mkdtempSync(join(tmpdir(), 'full-')), 24)
    try {
      chownSync(disk.dir, Number(execFileSync('id', ['-u', 'postgres'])), 0)
      await server.query(`create tablespace small location '${disk.dir}'`)
      const store = await clerksStore('full_disk', 'tablespace small')
      await released(store, ['full'])
      const call = await granted(store, 'full')
      await disk.fill(0)
      const id = await store.batches.create(newBatch())
      const rows = Array.from({ length: 2000 }, (_, index) => row(index + 1, `more ${index} ${'x'.repeat(500)}`))
      expectUnreachable(
        await error(store.batches.addRows(id, rows, 3000)),
        /has no disk space left\. Saved data is not lost/,
      )
      await disk.free(0)
      await store.batches.addRows(id, rows, 3000)
      await close(store, call, 'answered')
      expect((await store.batches.find('1'))?.charged).toBe(1)
      await store.close()
      opened.length = 0
      await server.query('drop database full_disk with (force)')
      await server.query('drop tablespace small')
    } finally {
      await disk.remove()
    }
  })
})

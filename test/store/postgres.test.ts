/** What only PostgreSQL can meet. The rest of the store's tests run on it with STORE_ENGINE=postgres. */
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals'
import pg from 'pg'
import { type PostgresServer, postgresBinaries, startPostgresServer } from '../../scripts/postgres-server.js'
import { ConfigurationError, UnreachableError } from '../../src/domain/errors.js'
import { openStore } from '../../src/store/open-store.js'
import { readDatabaseUrl } from '../../src/store/postgres/address.js'
import { openConnection } from '../../src/store/postgres/connection.js'
import { openError, postgresError } from '../../src/store/postgres/explain-error.js'
import { withoutNul } from '../../src/store/postgres/without-nul.js'
import type { Store } from '../../src/store/store.js'
import { isStoreLocked } from '../../src/store/store-locked.js'
import { ask } from '../support/postgres.js'
import { startPostgresProxy } from '../support/postgres-proxy.js'
import { badRow, claim, close, feedAll, granted, newBatch, released, row, settle } from './setup.js'

const here = postgresBinaries() === null ? describe.skip : describe
const path = join(tmpdir(), 'nowhere', 'store.db')

function coded(code: string): Error {
  return Object.assign(new Error('whatever'), { code })
}

describe('an error of the server becomes a sentence', () => {
  const name = 'postgres://me@db/night'

  test.each([
    ['55P03', 'was locked by another process'],
    ['53100', 'has no disk space left'],
    ['53300', 'takes no more connections'],
    ['25006', 'is read-only'],
    ['57P01', 'cannot be reached (57P01)'],
    ['57P03', 'cannot be reached (57P03)'],
    ['08006', 'cannot be reached (08006)'],
    ['25P03', 'ended a transaction that took too long (25P03)'],
    ['40P01', 'gave up a transaction (40P01)'],
    ['58030', 'cannot read or write its files'],
    ['ECONNREFUSED', 'cannot be reached (ECONNREFUSED)'],
  ])('%s', (code, sentence) => {
    const error = postgresError(coded(code), name, false)
    expect(error).toBeInstanceOf(UnreachableError)
    expect(String(error)).toContain(`The store ${name} ${sentence}`)
    expect(isStoreLocked(error)).toBe(code === '55P03')
  })

  test('an error without a code is one of the connection only if that has ended', () => {
    const error = new Error('Client has encountered a connection error and is not queryable')
    expect(postgresError(error, name, false)).toBe(error)
    expect(postgresError(error, name, true)).toBeInstanceOf(UnreachableError)
  })

  test.each(['28P01', '28000', '3D000', '42501', 'SELF_SIGNED_CERT_IN_CHAIN'])(
    '%s at the start is a matter of the configuration',
    (code) => expect(openError(coded(code), name)).toBeInstanceOf(ConfigurationError),
  )

  test('a bug stays what it is', () => {
    const error = coded('42601')
    expect(postgresError(error, name, false)).toBe(error)
  })
})

describe('the address', () => {
  test('is told without its password, and decoded for the driver', () => {
    const { name, config } = readDatabaseUrl({
      url: 'postgres://me:p%40ss@[::1]:6000/my%20night?sslmode=require',
      ca: null,
    })
    expect(name).toBe('postgres://me@[::1]:6000/my night')
    expect(config).toMatchObject({ host: '::1', port: 6000, user: 'me', password: 'p@ss', database: 'my night' })
    expect(config.ssl).toEqual({ rejectUnauthorized: false })
  })

  test.each([
    ['', false],
    ['?sslmode=disable', false],
    ['?sslmode=verify-full', { ca: 'PEM' }],
    ['?sslmode=verify-ca', { ca: 'PEM', checkServerIdentity: expect.any(Function) }],
  ])('%s encrypts as libpq would', (query, ssl) => {
    expect(readDatabaseUrl({ url: `postgres://me@db/night${query}`, ca: 'PEM' }).config.ssl).toEqual(ssl)
  })
})

here('a store on a server', () => {
  let server: PostgresServer
  let url: string
  const opened: Store[] = []
  async function open(name = url): Promise<Store> {
    const store = await openStore({ path, database: { url: name, ca: null } })
    opened.push(store)
    return store
  }
  beforeAll(async () => {
    server = await startPostgresServer()
    url = await server.createDatabase('night')
  })
  afterAll(async () => {
    for (const store of opened) await store.close()
    await server.close()
  })

  test('two that open an empty database at once make one store', async () => {
    const stores = await Promise.all([open(), open()])
    expect(stores[0]?.id).toMatch(/^[0-9a-f-]{36}$/)
    expect(stores[0]?.id).toBe(stores[1]?.id)
    expect(stores[0]?.name).toBe(url)
  })

  test('a newer schema is refused', async () => {
    const newer = await server.createDatabase('newer')
    await (await open(newer)).close()
    await ask(newer, "update meta set value = '999' where key = 'schema_version'")
    await expect(openStore({ path, database: { url: newer, ca: null } })).rejects.toThrow(
      /version 999 .* TRACKYARD_DATABASE_URL at another database/,
    )
  })

  test('a database that does not exist is named', async () => {
    const missing = url.replace('night', 'nowhere')
    await expect(open(missing)).rejects.toThrow(/nowhere does not exist\. Create it/)
  })

  test('a cap holds exactly while two processes claim at once', async () => {
    const [one, other] = await Promise.all([open(), open()])
    const queries = Array.from({ length: 60 }, (_, index) => `capped ${index}`)
    await released(one, queries, { maxCredits: 25 })
    await feedAll(one)
    const claims = await Promise.all(queries.map((query, index) => claim(index % 2 === 0 ? one : other, query)))
    expect(claims.filter(({ kind }) => kind === 'granted')).toHaveLength(25)
    expect((await one.batches.find(null))?.charged).toBe(25)
  })

  test('a bug in one change of a group undoes that one alone', async () => {
    const store = await open()
    await released(store, ['bug a', 'bug b'])
    const [a, b] = await Promise.all([granted(store, 'bug a'), granted(store, 'bug b')])
    const outcomes = await Promise.allSettled([
      close(store, a, 'answered'),
      close(store, -1, 'answered'),
      close(store, b, 'answered'),
    ])
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect((await store.batches.find(null))?.charged).toBe(2)
    expect((await store.reports.totals(1)).callsByOutcome.sent).toBe(25)
  })

  test('rows of any characters come back as they went in', async () => {
    const store = await open()
    const id = await store.batches.create(newBatch())
    const odd = [
      'tab\tand "quotes" \\ {a,b}',
      'NULL',
      'line\nbreak',
      "it's; drop table item --",
      '日本語 🎵',
      '\\N',
      'a\0b\r\n',
    ]
    await store.batches.addRows(
      id,
      [...odd.map((query, index) => row(index + 1, query, query)), badRow(odd.length + 1)],
      1000,
    )
    await store.batches.release(id, { maxCredits: null, first: null }, 2000)
    const rows = []
    for await (const each of store.reports.exportRows(id)) rows.push(each)
    expect(rows.map(({ key }) => key)).toEqual([...odd.map(withoutNul), `row-${odd.length + 1}`])
  })

  test('an answer with a NUL, which PostgreSQL takes in no text, is stored without it', async () => {
    const store = await open()
    await released(store, ['nul'])
    await close(store, await granted(store, 'nul'), 'unreadable', { detail: 'a\0b' })
    const shown = await store.reports.show('row-1', null)
    expect(shown !== null && 'search' in shown ? shown.search?.calls[0]?.detail : null).toBe('a\uFFFDb')
  })

  test('a server that ends under it is told, and the next change connects again', async () => {
    const store = await open()
    await released(store, ['before', 'after'])
    await settle(store, 'before', 'answered')
    for (const how of ['fast', 'immediate'] as const) {
      await server.restart(how)
      const error = await claim(store, 'after').catch((reason: unknown) => reason)
      if (error instanceof Error) expect(error).toBeInstanceOf(UnreachableError)
    }
    const answer = await claim(store, 'after', { now: 100_000 })
    expect(answer.kind).toBe('granted')
  })

  test.each(['read', 'load'] as const)(
    'a dropped connection to %s fails once, and is opened again',
    async (role) => {
      const proxy = await startPostgresProxy(await server.createDatabase(`dropped_${role}`))
      const connection = openConnection(readDatabaseUrl({ url: proxy.url, ca: null }), role)
      const read = () => connection.read((tx) => tx.get('select 1 as one'))
      try {
        expect(await read()).toEqual({ one: 1 })
        proxy.swallow()
        jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask', 'performance'] })
        const reading = read().catch((error) => error)
        await nextTurn()
        jest.advanceTimersByTime(10 * 60_000)
        expect(await reading).toBeInstanceOf(UnreachableError)
        jest.useRealTimers()
        expect(await read()).toEqual({ one: 1 })
      } finally {
        jest.useRealTimers()
        await proxy.close()
        await connection.close()
      }
    },
    20_000,
  )

  test('a writer that holds the lock too long is waited for, then told', async () => {
    const store = await open()
    await released(store, ['locked'])
    const holder = new pg.Client({ connectionString: url })
    await holder.connect()
    await holder.query("begin; select pg_advisory_xact_lock(hashtextextended('trackyard public', 0))")
    const error = await claim(store, 'locked').catch((reason: unknown) => reason)
    expect(isStoreLocked(error)).toBe(true)
    await holder.query('rollback')
    await holder.end()
    expect((await claim(store, 'locked')).kind).toBe('granted')
  })
})

import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import pg from 'pg'
import { type PostgresServer, postgresBinaries, startPostgresServer } from '../../scripts/postgres-server.js'
import { ConfigurationError } from '../../src/domain/errors.js'
import { openStore } from '../../src/store/open-store.js'
import type { Store } from '../../src/store/store.js'
import { hasPgBouncer, type PgBouncer, startPgBouncer } from '../support/pgbouncer.js'
import { oneOfEach } from './one-of-each.js'

const here = postgresBinaries() === null || !hasPgBouncer ? describe.skip : describe

here('behind PgBouncer', () => {
  let server: PostgresServer
  let database: string
  beforeAll(async () => {
    server = await startPostgresServer()
    database = await server.createDatabase('pooled')
  })
  afterAll(() => server.close())

  const open = (url: string): Promise<Store> =>
    openStore({ path: join(tmpdir(), 'nowhere', 'store.db'), database: { url, ca: null } })

  async function behind(settings: Readonly<Record<string, string>>, use: (pool: PgBouncer) => Promise<void>) {
    const pool = await startPgBouncer(database, settings)
    try {
      await use(pool)
    } finally {
      await pool.stop()
    }
  }

  test.each(['transaction', 'statement'])('with pool_mode %s a store is refused, with what to do', (mode) =>
    behind({ pool_mode: mode }, async (pool) => {
      const refused = open(pool.through(database))
      await expect(refused).rejects.toBeInstanceOf(ConfigurationError)
      await expect(refused).rejects.toThrow(/behind a pooler .* pool_mode = transaction.* pool_mode = session/)
    }),
  )

  test.each([1, 2, 3])('so is one whose pool gives its %i sessions in turn', (sessions) =>
    behind({ pool_mode: 'transaction', server_round_robin: '1' }, async (pool) => {
      const clients = Array.from({ length: sessions }, () => new pg.Client(pool.through(database)))
      for (const client of clients) {
        await client.connect()
        await client.query('begin')
      }
      for (const client of clients) await client.query('commit')
      await expect(open(pool.through(database))).rejects.toBeInstanceOf(ConfigurationError)
      for (const client of clients) await client.end()
    }),
  )

  test('with pool_mode session a store works', () =>
    behind({ pool_mode: 'session' }, async (pool) => {
      const store = await open(pool.through(database))
      await oneOfEach(store)
      await store.close()
    }))
})

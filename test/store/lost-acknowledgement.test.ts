/**
 * A change is committed, but its acknowledgement is lost with the connection to PostgreSQL. Whoever does not know
 * whether it was done repeats it: everything must be as if it was done once.
 */
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { type PostgresServer, postgresBinaries, startPostgresServer } from '../../scripts/postgres-server.js'
import { UnreachableError } from '../../src/domain/errors.js'
import { openStore } from '../../src/store/open-store.js'
import { readDatabaseUrl } from '../../src/store/postgres/address.js'
import { openConnection } from '../../src/store/postgres/connection.js'

import { startPostgresProxy } from '../support/postgres-proxy.js'
import { type Change, oneOfEach } from './one-of-each.js'
import { counters, readAll } from './slow-recount.js'

const here = postgresBinaries() === null ? describe.skip : describe

here('changes whose acknowledgement is lost', () => {
  let server: PostgresServer
  beforeAll(async () => {
    server = await startPostgresServer()
  })
  afterAll(() => server.close())

  async function play(name: string, changeOf: (lose: () => Promise<void>) => Change) {
    const database = await server.createDatabase(name)
    const proxy = await startPostgresProxy(database)
    const store = await openStore({
      path: join(tmpdir(), 'nowhere', 'store.db'),
      database: { url: proxy.url, ca: null },
    })
    const reader = openConnection(readDatabaseUrl({ url: database, ca: null }), 'read')
    try {
      await oneOfEach(store, changeOf(proxy.loseAcknowledgement))
      return await readAll(reader)
    } finally {
      await reader.close()
      await store.close()
      await proxy.close()
    }
  }

  test('leave the store as if each was done once, when all are repeated', async () => {
    const once = await play('once', () => (change) => change())
    let lost = 0
    const repeated = await play('repeated', (lose) => async (change) => {
      const losing = lose()
      await expect(change()).rejects.toBeInstanceOf(UnreachableError)
      await losing
      lost += 1
      return change()
    })
    expect(lost).toBeGreaterThan(25)
    expect(repeated).toEqual(once)
    const { stand, should } = counters(repeated)
    expect(stand).toEqual(should)
  })
})

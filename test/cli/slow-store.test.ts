import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import pg from 'pg'
import { type PostgresServer, postgresBinaries, startPostgresServer } from '../../scripts/postgres-server.js'
import { type Desk, openDesk } from './setup.js'

/** PostgreSQL is the store, and does not answer for a while. Redis answers all the time. */
const here = postgresBinaries() === null ? describe.skip : describe

here('PostgreSQL hangs', () => {
  let server: PostgresServer
  let desk: Desk
  let env: { readonly TRACKYARD_DATABASE_URL: string }
  let databases = 0
  beforeAll(async () => {
    server = await startPostgresServer()
  })
  afterAll(() => server.close())
  beforeEach(async () => {
    databases += 1
    env = { TRACKYARD_DATABASE_URL: await server.createDatabase(`slow${databases}`) }
    desk = await openDesk()
    await desk.json(['submit', '-', '--name', 'night'], { stdin: '{"query":"one"}', env })
  })
  afterEach(() => desk.close())

  test('status waits for a locked table longer than for Redis, and does not blame Redis', async () => {
    const other = new pg.Client({ connectionString: env.TRACKYARD_DATABASE_URL })
    await other.connect()
    try {
      await other.query('begin; lock table batch in access exclusive mode')
      const asked = desk.type(['status', '--json'], { env })
      await sleep(7000)
      await other.query('commit')
      const { code, stdout } = await asked
      expect(code).toBe(0)
      const { queue, error } = JSON.parse(stdout)
      expect({ state: queue.state, error }).toEqual({ state: 'no_workers', error: undefined })
    } finally {
      await other.end()
    }
  }, 240_000)
})

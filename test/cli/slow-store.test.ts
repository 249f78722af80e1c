import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import pg from 'pg'
import { type PostgresServer, postgresBinaries, startPostgresServer } from '../../scripts/postgres-server.js'
import { openBatchClient } from '../../src/app/client.js'
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

  test('wait keeps its timeout, and ends while PostgreSQL is frozen', async () => {
    let frozen: Promise<() => void> | null = null
    const startedAt = performance.now()
    try {
      const { code, stdout, stderr } = await desk.type(['wait', '--timeout', '4', '--json'], {
        env,
        onStderr: (said) => {
          if (said.includes('0 of 1 row done')) frozen ??= server.freeze()
        },
      })
      expect(frozen).not.toBeNull()
      expect({ code, took: performance.now() - startedAt < 15_000 }).toEqual({ code: 5, took: true })
      expect(JSON.parse(stdout)).toMatchObject({ outcome: 'timed_out', progress: { waiting: 1 } })
      expect(stderr).toContain('Stopped waiting after 4 s; nothing was changed.')
    } finally {
      const thaw = await frozen
      ;(thaw as unknown as (() => void) | null)?.()
    }
  }, 240_000)

  test("the client's wait keeps its timeout, and the client closes, while PostgreSQL is frozen", async () => {
    const client = await openBatchClient({
      env: { ...env, TRACKYARD_DATA_DIR: desk.dataDir, TRACKYARD_REDIS_URL: desk.redis.url },
    })
    const startedAt = performance.now()
    const waited = client.wait('night', { timeoutMs: 4000 })
    await sleep(1000)
    const thaw = await server.freeze()
    try {
      expect(await waited).toMatchObject({ outcome: 'timed_out', batch: { waiting: 1 } })
      await client.close()
      expect(performance.now() - startedAt).toBeLessThan(15_000)
    } finally {
      thaw()
    }
  }, 240_000)
})

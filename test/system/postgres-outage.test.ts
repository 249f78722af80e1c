/**
 * PostgreSQL goes away while answers that are paid for are on their way: they stay in the worker's memory, no call is
 * made meanwhile, and all are saved when it is back. Away, too full of connections, frozen, failed over to a standby.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { type PostgresServer, postgresBinaries, startPostgresServer } from '../../scripts/postgres-server.js'
import { openBatchClient } from '../../src/app/client.js'
import { type PostgresProxy, startPostgresProxy } from '../support/postgres-proxy.js'
import { startRedis, type TestRedis } from '../support/redis.js'
import { PATIENT } from '../support/short-settings.js'
import { type Process, type SystemUnderTest, withSystem } from '../support/system-under-test.js'
import { until } from '../support/until.js'

const here = postgresBinaries() === null ? describe.skip : describe

const ROWS = 150
const AT_A_TIME = 5
/** Several times as long as a call takes, except a late one. */
const SILENCE_MS = 2500
/** Answers that come when PostgreSQL is away for certain, however long a busy machine takes to stop it. */
const LATE_ANSWERS = { does: 'late', ms: 5000, timesInTotal: AT_A_TIME } as const

here('PostgreSQL goes away under a worker', () => {
  let primary: PostgresServer
  let redis: TestRedis
  beforeAll(async () => {
    primary = await startPostgresServer({ settings: { max_wal_senders: '4' } })
    await primary.query('create role clerk login')
    redis = await startRedis()
  })
  afterAll(async () => {
    await redis.stop()
    await primary.close()
  })

  /** A batch that is due. `begin` starts a worker, and resolves in the middle of its work, with late answers on their way. */
  async function withBatch(
    name: string,
    play: (system: SystemUnderTest, begin: () => Promise<Process>, proxy: PostgresProxy) => Promise<void>,
  ): Promise<void> {
    await redis.flush()
    await primary.query(`create database ${name} owner clerk`)
    const proxy = await startPostgresProxy(primary.url(name).replace('tester@', 'clerk@'))
    const env = {
      ...PATIENT,
      TRACKYARD_CONCURRENCY: String(AT_A_TIME),
      TRACKYARD_DATABASE_URL: proxy.url,
      TRACKYARD_REDIS_URL: redis.url,
    }
    try {
      await withSystem({ simulator: { noMatchRate: 0, latencyMs: 300 }, env }, async (system) => {
        await system.submit(ROWS)
        const workers: Process[] = []
        const begin = async (): Promise<Process> => {
          const worker = await system.startWorker()
          workers.push(worker)
          await system.simulator.waitForCalls(AT_A_TIME, 60_000)
          system.simulator.fail(LATE_ANSWERS)
          await system.simulator.waitForCalls(system.simulator.calls().length + AT_A_TIME, 60_000)
          return worker
        }
        await play(system, begin, proxy)
        expect((await system.cli(['wait', '--timeout', '120'])).code).toBe(0)
        expect([system.simulator.calls().length, system.simulator.paid()]).toEqual([ROWS, ROWS])
        expect((await system.status()).credits).toMatchObject({ spent: ROWS, unknown_outcomes: 0 })
        expect(workers).toHaveLength(1)
        for (const worker of workers) {
          worker.kill('SIGTERM')
          expect((await worker.exited).code).toBe(0)
        }
      })
    } finally {
      await proxy.close()
    }
  }

  /** What is on its way ends; then the server hears nothing until it is over. */
  async function expectSilence(system: SystemUnderTest, worker: Process, sentence: RegExp): Promise<void> {
    await worker.waitForEvent('store.write_failed', { text: sentence })
    await expectNoCalls(system, worker)
  }

  async function expectNoCalls(system: SystemUnderTest, worker: Process): Promise<void> {
    await sleep(SILENCE_MS)
    const made = system.simulator.calls().length
    await sleep(SILENCE_MS)
    expect(system.simulator.calls()).toHaveLength(made)
    expect(made).toBeLessThan(ROWS)
    expect(worker.child.exitCode).toBeNull()
  }

  async function expectMoreCalls(system: SystemUnderTest): Promise<void> {
    const made = system.simulator.calls().length
    await until(() => system.simulator.calls().length > made, { timeoutMs: 60_000, what: 'the next call' })
  }

  test('it refuses the user: the worker ends, and the next one records what the API had answered', async () => {
    await redis.flush()
    await primary.query('create database refused owner clerk')
    const env = {
      ...PATIENT,
      TRACKYARD_CONCURRENCY: String(AT_A_TIME),
      TRACKYARD_DATABASE_URL: primary.url('refused').replace('tester@', 'clerk@'),
      TRACKYARD_REDIS_URL: redis.url,
    }
    await withSystem({ simulator: { noMatchRate: 0 }, env }, async (system) => {
      await system.submit(20)
      system.simulator.fail(LATE_ANSWERS)
      const worker = await system.startWorker()
      await system.simulator.waitForCalls(AT_A_TIME, 60_000)
      await primary.query('alter role clerk nologin')
      await primary.query("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'clerk'")
      expect((await worker.exited).code).toBe(78)
      await primary.query('alter role clerk login')
      const next = await system.startWorker()
      expect((await system.cli(['wait', '--timeout', '120'])).code).toBe(0)
      expect([system.simulator.calls().length, system.simulator.paid()]).toEqual([20, 20])
      expect((await system.status()).credits).toMatchObject({ spent: 20, unknown_outcomes: 0 })
      next.kill('SIGTERM')
      expect((await next.exited).code).toBe(0)
    })
  }, 240_000)

  test('it is stopped and started again', async () => {
    await withBatch('away', async (system, begin) => {
      const board = system.start('dist/workers/board.js', [], { TRACKYARD_BOARD_PORT: '0' })
      const ready = new URL('/readyz', String((await board.waitForEvent('board.started')).url))
      expect((await fetch(ready)).status).toBe(200)
      const waiting = system.start('dist/scripts/trackyard-batch.js', ['wait'])
      const watching = system.start('dist/scripts/trackyard-batch.js', ['status', '--watch'])
      const interrupted = system.start('dist/scripts/trackyard-batch.js', ['wait'])
      for (const command of [waiting, interrupted]) await command.waitForStderr(/rows/)
      await until(() => watching.output() !== '', { timeoutMs: 60_000, what: 'a first look' })
      const client = await openBatchClient({ env: system.env })
      const worker = await begin()
      const timedOut = client.wait('films', { timeoutMs: SILENCE_MS })
      // Its first look.
      await client.status('films')
      await primary.stop('fast')
      await expectSilence(system, worker, /cannot be reached.* Check that PostgreSQL runs/)
      expect(await timedOut).toMatchObject({ outcome: 'timed_out', batch: { name: 'films', rows: ROWS } })
      await client.close()
      const answer = await fetch(ready)
      expect([answer.status, await answer.text()]).toEqual([503, expect.stringContaining('Check that PostgreSQL runs')])
      interrupted.kill('SIGINT')
      expect(await interrupted.exited).toMatchObject({ code: 5 })
      const lines = watching.output().length
      await primary.start()
      await worker.waitForEvent('store.write_recovered')
      expect(await waiting.exited).toMatchObject({ code: 0 })
      await until(() => watching.output().length > lines, { timeoutMs: 60_000, what: 'a look after the outage' })
      watching.kill('SIGINT')
      await watching.exited
      expect((await fetch(ready)).status).toBe(200)
      board.kill('SIGTERM')
      expect(await board.exited).toMatchObject({ code: 0 })
    })
  }, 240_000)

  test('others take all its connections', async () => {
    await withBatch('crowded', async (system, begin) => {
      const worker = await begin()
      const full = /takes no more connections\. Raise max_connections/
      try {
        await primary.query('alter role clerk connection limit 0')
        await primary.query("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'clerk'")
        // A save whose transaction was ended says that, and nothing again while it is repeated.
        await expectSilence(system, worker, new RegExp(`${full.source}|cannot be reached \\(57P01\\)`))
        expect(await system.cli(['status'])).toMatchObject({ code: 3, stderr: expect.stringMatching(full) })
      } finally {
        await primary.query('alter role clerk connection limit -1')
      }
      await worker.waitForEvent('store.write_recovered')
    })
  }, 240_000)

  test('it freezes', async () => {
    await withBatch('frozen', async (system, begin) => {
      const worker = await begin()
      const thaw = await primary.freeze()
      // Until then no call could be made anyway.
      await sleep(LATE_ANSWERS.ms + 1000)
      await expectNoCalls(system, worker)
      thaw()
      await expectMoreCalls(system)
    })
  }, 240_000)

  test('it fails over to a standby, which is read-only until it is promoted', async () => {
    const standby = await primary.startStandby()
    try {
      await primary.query("alter system set synchronous_standby_names = '*'")
      await primary.query('select pg_reload_conf()')
      await withBatch('failover', async (system, begin, proxy) => {
        const worker = await begin()
        await primary.stop('immediate')
        proxy.leadTo(standby.port)
        await expectSilence(system, worker, /cannot be reached|is read-only/)
        const reason = async () => (await system.status()).queue.reason
        const isNamed = async () =>
          /unable to save paid answers .* is read-only: the server may have/.test(await reason())
        await until(isNamed, { timeoutMs: 60_000, what: 'status to name the standby' })
        await standby.promote()
        await standby.query("alter system set synchronous_standby_names = ''")
        await standby.query('select pg_reload_conf()')
        await worker.waitForEvent('store.write_recovered')
      })
    } finally {
      await standby.close()
    }
  }, 240_000)
})

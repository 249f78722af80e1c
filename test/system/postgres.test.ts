/**
 * Two worker processes and a submitter, each with a data directory of its own: they share PostgreSQL
 * and a Redis, as on several machines.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { type PostgresServer, postgresBinaries, startPostgresServer } from '../../scripts/postgres-server.js'
import { startPostgresProxy } from '../support/postgres-proxy.js'
import { startRedis, type TestRedis } from '../support/redis.js'
import { PATIENT, SHORT } from '../support/short-settings.js'
import { catalogText, type Process, QUERY, type SystemUnderTest, withSystem } from '../support/system-under-test.js'
import { until } from '../support/until.js'

const here = postgresBinaries() === null ? describe.skip : describe

const PASSWORD = 'hunter2'

/** The server trusts everybody. */
function withPassword(url: string): string {
  return url.replace('@', `:${PASSWORD}@`)
}

here('several machines', () => {
  let server: PostgresServer
  let redis: TestRedis
  let dir: string
  beforeAll(async () => {
    server = await startPostgresServer()
    redis = await startRedis()
    dir = mkdtempSync(join(tmpdir(), 'machines-'))
  })
  afterAll(async () => {
    await redis.stop()
    await server.close()
    rmSync(dir, { recursive: true, force: true })
  })

  async function play(
    name: string,
    use: (system: SystemUnderTest) => Promise<void>,
    times: Readonly<Record<string, string>> = SHORT,
  ): Promise<void> {
    await redis.flush()
    const address = {
      TRACKYARD_DATABASE_URL: withPassword(await server.createDatabase(name)),
      TRACKYARD_REDIS_URL: redis.url,
    }
    await withSystem({ simulator: { noMatchRate: 0, latencyMs: 100 }, env: { ...times, ...address } }, use)
  }

  const machine = (name: string) => ({ TRACKYARD_DATA_DIR: join(dir, name) })

  const calls = (system: SystemUnderTest, number: number) =>
    until(() => system.simulator.calls().length >= number, { timeoutMs: 120_000, what: `${number} calls` })

  test('every page of the board shows a store in PostgreSQL', async () => {
    await play('board', async (system) => {
      system.simulator.fail({ match: 'scene 1 ', does: { status: 400 } })
      await system.submit(3)
      await system.worker(machine('a'))
      expect((await system.cli(['wait', '--timeout', '120'])).code).toBe(6)
      const board = system.start('dist/workers/board.js', [], { TRACKYARD_BOARD_PORT: '0' })
      const { url } = await board.waitForEvent('board.started')
      const pages: Readonly<Record<string, RegExp>> = {
        '/?range=week': /films.*2 tagged.*Batch 1 \(films\) is done/s,
        '/dead-letters?status=400&text=SCENE': /1 search failed for good/,
        '/batches/1': /Took.*400 invalid_parameters/s,
        '/batches/1/report': /2 of 3 rows tagged/,
        '/batches/1/export.csv': /trackyard_status/,
        '/find?q=scene%201': /invalid_parameters|Searches whose query contains it/,
        '/metrics': /trackyard_batch_rows\{batch="1",name="films",status="tagged"\} 2/,
      }
      for (const [path, shown] of Object.entries(pages)) {
        let page = ''
        // The end of the batch comes into the timeline with a worker's next look.
        const isShown = async () => {
          const response = await fetch(`${String(url)}${path}`)
          page = `${response.status} ${await response.text()}`
          return page.startsWith('200 ') && shown.test(page)
        }
        await until(isShown, { timeoutMs: 60_000, what: () => `${path} to show ${shown}, not ${page}` })
      }
    })
  }, 240_000)

  test('one of two machines dies: the other goes on, the cap holds, only its calls of unknown outcome may be paid twice', async () => {
    await play('capped', async (system) => {
      await system.submit(800, '--max-credits', '400')
      const [first] = await Promise.all([system.startWorker(machine('a')), system.startWorker(machine('b'))])
      await calls(system, 60)
      first.kill('SIGKILL')
      expect(system.simulator.paid()).toBeLessThan(400)
      expect((await system.cli(['wait', '--timeout', '120'])).code).toBe(4)
      const { credits } = await system.status()
      expect(credits.spent + credits.unknown_outcomes).toBe(400)
      expect(system.simulator.paid()).toBeLessThanOrEqual(400)
      expect(system.simulator.paidTwice().length).toBeLessThanOrEqual(credits.unknown_outcomes)
      const statuses = (await system.exported()).map(({ status }) => status)
      expect(statuses.filter((status) => status === 'tagged')).toHaveLength(credits.spent)
    })
  }, 240_000)

  test('PostgreSQL is restarted and crashes under load: every search is answered and paid once', async () => {
    await play('restarted', async (system) => {
      await system.submit(400)
      const workers = await Promise.all([system.startWorker(machine('c')), system.startWorker(machine('d'))])
      for (const [blow, how] of (['fast', 'immediate', 'fast'] as const).entries()) {
        await calls(system, 80 * (blow + 1))
        await server.restart(how)
      }
      expect((await system.cli(['wait', '--timeout', '120'])).code).toBe(0)
      expect(system.simulator.paid()).toBe(400)
      expect(system.simulator.paidTwice()).toEqual([])
      expect((await system.cli(['down'])).code).toBe(0)
      for (const worker of workers) expect((await worker.exited).code).toBe(0)
    })
  }, 240_000)

  test('a submit that is frozen or cut off in the middle of a statement stops the workers for seconds, then goes on', async () => {
    await play('stuck', async (system) => {
      await system.submit(20)
      const proxy = await startPostgresProxy(system.env.TRACKYARD_DATABASE_URL ?? '')
      try {
        const isLoading = proxy.swallowAfter('copy item')
        const more = await system.file('more.csv', catalogText(6000))
        const args = ['submit', more, '--query', '{title} at sea', '--yes']
        const submit = system.start('dist/scripts/trackyard-batch.js', args, { TRACKYARD_DATABASE_URL: proxy.url })
        await isLoading
        submit.kill('SIGSTOP')
        await system.worker(machine('f'))
        await calls(system, 1)
        expect(submit.child.exitCode).toBeNull()
        submit.kill('SIGCONT')
        expect((await submit.exited).code).toBe(0)
        const [batch] = (await system.status()).batches
        expect(batch).toMatchObject({ name: 'more', rows: 6000, invalid: 0 })
        const ids = (await system.exported('more')).map(({ id }) => id)
        expect([ids.length, new Set(ids).size]).toEqual([6000, 6000])
      } finally {
        await proxy.close()
      }
    })
  }, 240_000)

  const skewed = (name: string, ms: number) => ({
    ...machine(name),
    NODE_OPTIONS: `--import=${join(import.meta.dirname, '../support/shifted-clock.mjs')}`,
    CLOCK_SHIFT_MS: String(ms),
  })
  const skew = (worker: Process) =>
    worker.logged('clock.skewed').map(({ offsetMs }) => Math.round(Number(offsetMs) / 10_000))

  test('a machine whose clock is behind obeys the rate limit that one ahead of it has stored', async () => {
    await play('limited', async (system) => {
      await system.submit(40)
      system.simulator.fail({ timesInTotal: 1, does: { status: 429, headers: { 'retry-after': '15' } } })
      const ahead = await system.startWorker({ ...skewed('ahead', 30_000), TRACKYARD_CONCURRENCY: '1' })
      await ahead.waitForEvent('call.finished', { facts: { decision: 'rateLimit' } })
      // It would set the limit in Redis again and again.
      ahead.kill('SIGTERM')
      expect((await ahead.exited).code).toBe(0)
      const behind = await system.startWorker(skewed('behind', -30_000))
      // The search that was refused is delayed by the clock of its worker, a minute longer.
      await calls(system, 40)
      const [limited, next] = system.simulator.calls()
      expect(limited?.status).toBe(429)
      expect((next?.receivedAt ?? 0) - (limited?.receivedAt ?? 0)).toBeGreaterThan(14_500)
      expect(system.simulator.paidTwice()).toEqual([])
      expect([skew(ahead), skew(behind)]).toEqual([[-3], [3]])
    })
  }, 240_000)

  test('a machine whose clock is ahead does not give up the calls of one behind it, and both obey `down`', async () => {
    await play(
      'in_flight',
      async (system) => {
        await system.submit(30)
        system.simulator.fail({ timesInTotal: 3, does: 'late', ms: 18_000 })
        const behind = await system.startWorker({ ...skewed('behind', -30_000), TRACKYARD_CONCURRENCY: '3' })
        await calls(system, 3)
        const ahead = await system.startWorker({ ...skewed('ahead', 30_000), TRACKYARD_LOG_LEVEL: 'debug' })
        // It has looked for abandoned calls before it makes one.
        await ahead.waitForEvent('call.finished')
        const slow = system.simulator.calls().slice(0, 3)
        expect(slow.map(({ finished }) => finished)).toEqual(['open', 'open', 'open'])
        expect((await system.status()).credits.unknown_outcomes).toBe(0)
        expect((await system.cli(['wait', '--timeout', '120'])).code).toBe(0)
        expect([system.simulator.paid(), system.simulator.paidTwice()]).toEqual([30, []])
        expect((await system.cli(['down'])).code).toBe(0)
        for (const worker of [ahead, behind]) expect((await worker.exited).code).toBe(0)
      },
      PATIENT,
    )
  }, 240_000)

  test('a worker with another Redis is refused while others work, and fills it when they have stopped', async () => {
    const second = await startRedis()
    const onSecond = { ...machine('second'), TRACKYARD_REDIS_URL: second.url }
    try {
      await play('two_redis', async (system) => {
        const path = await system.submit(200)
        const worker = await system.startWorker({ ...machine('first'), TRACKYARD_RATE_LIMIT: '400' })
        const refused = await system.start('dist/workers/worker.js', [], onSecond).exited
        expect(refused.code).toBe(78)
        expect(refused.stderr).toContain(`use another Redis (Redis at ${redis.url})`)
        expect(await second.command('GET', '{trackyard}:store')).toMatch(/^\$-1/)
        expect((await system.cli(['status'], { env: onSecond })).stdout).toMatch(/is not what the workers .* use/)
        const again = ['submit', path, '--query', QUERY, '--yes']
        const submitted = await system.cli(again, { env: onSecond })
        expect(submitted.stderr).toMatch(/Nothing is queued yet\. .* is not what the workers .* use/)
        // One that has lost its data is filled again by whoever uses it: more calls than were in flight.
        await redis.flush()
        await calls(system, system.simulator.calls().length + 20)
        expect((await system.cli(['down'])).code).toBe(0)
        expect((await worker.exited).code).toBe(0)
        await system.worker(onSecond)
        expect((await system.cli(['wait', '--timeout', '120'], { env: onSecond })).code).toBe(0)
        expect([system.simulator.paid(), system.simulator.paidTwice()]).toEqual([200, []])
      })
    } finally {
      await second.stop()
    }
  }, 240_000)

  test('a worker says which database it uses, without its password', async () => {
    await play('secret', async (system) => {
      const worker = await system.startWorker(machine('e'))
      const [started] = worker.logged('worker.started')
      expect(worker.stderr() + worker.output()).not.toContain(PASSWORD)
      expect(started?.store).toMatch(/^postgres:\/\/tester@127\.0\.0\.1:\d+\/secret$/)
    })
  })
})

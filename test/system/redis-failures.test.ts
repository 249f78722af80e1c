import { readFileSync } from 'node:fs'
import { mkdir, readdir, readFile, rm, rmdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from '@jest/globals'
import { silentLogger } from '../../src/domain/logger.js'
import { openSearchQueue, type SearchQueue } from '../../src/queue/search-queue.js'
import { expectAccounted, figure, openCalls, readLedger, storeId, untilDone } from '../support/ledger.js'
import { type TestRedis, withRedis } from '../support/redis.js'
import { PATIENT } from '../support/short-settings.js'
import {
  catalogText,
  QUERY,
  type ReadLog,
  type SystemOptions,
  type SystemUnderTest,
  startSystem,
  systemTest,
  withSystem,
} from '../support/system-under-test.js'
import { until } from '../support/until.js'

/** Redis is only the delivery: whatever happens to it, nothing is lost, nothing is called twice, and a person reads one sentence. */
interface RedisOptions extends SystemOptions {
  readonly redis?: Readonly<Record<string, string>>
}

/** A system on a Redis of its own. */
function withBoth(
  { redis, simulator, env }: RedisOptions,
  play: (system: SystemUnderTest, server: TestRedis) => Promise<void>,
): Promise<void> {
  return withRedis((server) => {
    const options = {
      simulator: { noMatchRate: 0, ...simulator },
      env: { TRACKYARD_REDIS_URL: server.url, ...env },
    }
    return withSystem(options, (system) => play(system, server))
  }, redis)
}

function redisTest(
  claim: string,
  options: RedisOptions,
  play: (system: SystemUnderTest, server: TestRedis) => Promise<void>,
): void {
  test.concurrent(claim, () => withBoth(options, play), 360_000)
}

/** Every search was called exactly once, and nothing failed. */
async function expectOneCallEach(system: SystemUnderTest, rows: number): Promise<void> {
  await expectAccounted(system, { rows, unknown: 0 })
  expect(system.simulator.calls()).toHaveLength(rows)
  expect(readLedger(system)).toMatchObject({ calls: { answered: rows }, failures: 0 })
}

async function withQueue<T>(system: SystemUnderTest, use: (queue: SearchQueue) => Promise<T>): Promise<T> {
  const queue = await openSearchQueue({
    connection: { url: system.env.TRACKYARD_REDIS_URL ?? '' },
    log: silentLogger,
    patienceMs: 30_000,
  })
  try {
    return await use(queue)
  } finally {
    await queue.close()
  }
}

/** Whichever maintenance task looks first. */
function lossNoticed(worker: ReadLog): Promise<void> {
  return until(() => ['redis.restored', 'queue.jobs_restored'].some((event) => worker.logged(event).length > 0), {
    timeoutMs: 120_000,
    what: () => `the lost jobs to be noticed; its log:\n${worker.stderr()}`,
  })
}

describe('in the middle of a run', () => {
  test.concurrent('Redis is killed and comes back from its file after a minute: work resumes within two seconds, every search is called once', async () => {
    const env = { ...PATIENT, TRACKYARD_RATE_LIMIT: '3000' }
    await withBoth({ simulator: { latencyMs: 100 }, env }, async (system, server) => {
      await system.submit(300)
      const worker = await system.startWorker()
      await system.simulator.waitForCalls(80, 120_000)
      let resumedMs = Number.POSITIVE_INFINITY
      // A machine that is busy with other things may miss the two seconds, but not five times.
      for (let outage = 1; outage <= 5 && resumedMs >= 2000; outage += 1) {
        // The minute outlasts the locks of the jobs in hand; a further outage is shorter, and does as if.
        if (outage > 1) await server.expireLocks()
        await server.kill()
        // The log writes one such line a minute; in five seconds the worker has come to look for Redis once a second.
        if (outage === 1) await worker.waitForEvent('redis.disconnected')
        await sleep(outage > 1 ? 5000 : 60_000)
        const before = system.simulator.calls().length
        await server.restart()
        const backAt = performance.now()
        await system.simulator.waitForCalls(before + 1, 120_000)
        resumedMs = performance.now() - backAt
      }
      expect(resumedMs).toBeLessThan(2000)
      await untilDone(system)
      await expectOneCallEach(system, 300)
    })
  }, 360_000)

  test.concurrent('FLUSHALL with ten calls in flight: everything is put back by itself, every search is called once', async () => {
    // The calls that are in flight then stay so for a while, whatever this machine is busy with.
    const late = { skip: 20, timesInTotal: 10, does: 'late', ms: 8000 } as const
    await withBoth({ simulator: { latencyMs: 200, faults: [late] }, env: PATIENT }, async (system, server) => {
      await system.submit(120)
      const worker = await system.worker()
      await system.simulator.waitForCalls(10, 120_000)
      await server.flush()
      expect(openCalls(system)).toBeGreaterThan(0)
      await lossNoticed(worker)
      await untilDone(system)
      const pace = () => withQueue(system, async (queue) => (await queue.throttle.rate())?.callsPerMinute)
      await until(async () => (await pace()) === 60_000, { timeoutMs: 120_000, what: 'the pace of before' })
      await expectOneCallEach(system, 120)
    })
  }, 360_000)

  test.concurrent('FLUSHALL while paused, with calls in flight: the pause stands, and resume finishes the run', async () => {
    // Slow until the pause has been seen to stand: it comes in the middle of the run, and finds calls in flight.
    const late = { does: 'late', ms: 10_000 } as const
    await withBoth({ simulator: { faults: [late] } }, async (system, server) => {
      await system.submit(100)
      const worker = await system.worker()
      await system.simulator.waitForCalls(10, 120_000)
      expect((await system.cli(['pause', '--reason', 'lunch'])).code).toBe(0)
      await server.flush()
      expect(openCalls(system)).toBeGreaterThan(0)
      await lossNoticed(worker)
      await until(() => withQueue(system, (queue) => queue.throttle.isPaused()), {
        timeoutMs: 120_000,
        what: "Redis's pause",
      })
      await until(() => openCalls(system) === 0, { timeoutMs: 120_000, what: 'the calls in flight to end' })
      const made = system.simulator.calls().length
      // Two turns of the feeder, and a worker that is idle.
      await sleep(2500)
      expect(system.simulator.calls()).toHaveLength(made)
      expect((await system.status()).queue).toMatchObject({ state: 'paused', causes: ['operator'] })
      system.simulator.clearFault()
      expect((await system.cli(['resume'])).code).toBe(0)
      await untilDone(system)
      await expectOneCallEach(system, 100)
    })
  }, 360_000)

  redisTest(
    'FLUSHALL while the API has asked to wait: the wait stands',
    { simulator: { faults: [{ timesInTotal: 1, does: { status: 429, headers: { 'retry-after': '8' } } }] } },
    async (system, server) => {
      await system.submit(20)
      const worker = await system.worker({ TRACKYARD_CONCURRENCY: '1' })
      await worker.waitForEvent('call.finished', { facts: { decision: 'rateLimit' } })
      // Its own note of the answer may be later than the worker's reading of it.
      const refusedAt = system.simulator.calls()[0]?.receivedAt ?? Number.NaN
      await server.flush()
      await lossNoticed(worker)
      await untilDone(system)
      expect(system.simulator.calls()[1]?.receivedAt ?? 0).toBeGreaterThanOrEqual(refusedAt + 8000)
      await expectAccounted(system, { rows: 20, unknown: 0 })
      expect(system.simulator.calls()).toHaveLength(21)
      expect(readLedger(system)).toMatchObject({ calls: { answered: 20, rate_limited: 1 }, failures: 0 })
    },
  )

  redisTest('jobs removed by hand are put back', {}, async (system) => {
    await system.submit(40)
    await withQueue(system, async ({ boardQueues: { search } }) => {
      const [first, second, third] = await search.getJobs(['prioritized'])
      for (const job of [first, second, third]) await search.remove(job?.id ?? '')
    })
    const worker = await system.worker()
    await untilDone(system)
    await worker.waitForEvent('queue.jobs_restored')
    await expectOneCallEach(system, 40)
  })

  const refusals: readonly Refusal[] = [
    {
      name: 'full',
      begin: (server) => server.command('CONFIG', 'SET', 'maxmemory', '1'),
      end: (server) => server.command('CONFIG', 'SET', 'maxmemory', '0'),
      event: 'redis.full',
    },
    {
      name: 'read-only',
      begin: (server) => server.command('REPLICAOF', '127.0.0.1', '1'),
      end: (server) => server.command('REPLICAOF', 'NO', 'ONE'),
      event: 'redis.read_only',
    },
    { name: 'unable to save', begin: breakDump, end: mendDump, event: 'redis.disk_failed' },
    {
      name: 'without permissions',
      begin: (server) => server.command('ACL', 'SETUSER', 'default', '-@write'),
      end: (server) => server.command('ACL', 'SETUSER', 'default', '+@all'),
      event: 'redis.permission_denied',
    },
  ]
  test.concurrent.each(refusals)(
    'Redis becomes $name: few lines say so, and after it every search was called once',
    ({ begin, end, event }) =>
      withBoth({ simulator: { latencyMs: 100 }, env: { TRACKYARD_RATE_LIMIT: '900' } }, async (system, server) => {
        await system.submit(120)
        const worker = await system.startWorker()
        await system.simulator.waitForCalls(10, 120_000)
        const lines = () => said(worker.stderr()).length - worker.logged('call.finished').length
        const linesBefore = lines()
        const cpuBefore = cpuSeconds(worker.pid)
        await begin(server)
        await worker.waitForEvent(event)
        await until(() => openCalls(system) === 0, { timeoutMs: 120_000, what: 'the calls in flight to end' })
        await sleep(8000)
        expect(worker.child.exitCode).toBeNull()
        // Before, there were some thousand a second, on half a core.
        expect(lines() - linesBefore).toBeLessThan(20)
        expect(cpuSeconds(worker.pid) - cpuBefore).toBeLessThan(3)
        expect(worker.logged(event).length).toBeLessThan(3)
        await end(server)
        const made = system.simulator.calls().length
        await system.simulator.waitForCalls(made + 1, 120_000)
        await worker.waitForEvent('redis.writes_resumed')
        await untilDone(system)
        await expectOneCallEach(system, 120)
      }),
    240_000,
  )

  redisTest(
    'damaged values are replaced from the store, and status says so until they are',
    { simulator: { latencyMs: 100 }, env: { TRACKYARD_RATE_LIMIT: '900' } },
    async (system, server) => {
      await system.submit(60)
      const first = await system.worker()
      await system.simulator.waitForCalls(10, 120_000)
      await first.stop()
      for (const key of ['prioritized', 'meta', 'events']) {
        await server.command('DEL', `{trackyard}:search:${key}`)
        await server.command('SET', `{trackyard}:search:${key}`, 'garbage')
      }
      const status = await system.cli(['status'])
      expect(status.code).toBe(3)
      expect(status.stdout).toMatch(/holds damaged values\. A running worker clears/)
      const second = await system.worker()
      await untilDone(system)
      await expectOneCallEach(system, 60)
      expect(second.logged('redis.damage_cleared')).toHaveLength(1)
    },
  )
})

describe('at the start', () => {
  const cases = [
    {
      condition: 'full',
      settings: { maxmemory: '1' },
      sentence: /is full \(maxmemory reached\)\. Give it more memory/,
    },
    {
      condition: 'a replica',
      settings: { replicaof: '127.0.0.1 1' },
      sentence: /is read-only \(a replica\)\. Use the address/,
    },
    {
      condition: 'behind a password',
      settings: { requirepass: 'opensesame' },
      sentence: /requires a password\. Put it into/,
    },
  ]
  test.concurrent.each(cases)(
    'a Redis that is $condition: one sentence, exit 3',
    ({ settings, sentence }) =>
      withBoth({ redis: settings }, async (system) => {
        const { code, stderr } = await system.start('dist/workers/worker.js').exited
        expect(code).toBe(3)
        expect(said(stderr)).toHaveLength(1)
        expect(said(stderr)[0]).toMatch(sentence)
      }),
    240_000,
  )

  redisTest(
    'a wrong password: one sentence without it, exit 3',
    { redis: { requirepass: 'opensesame' } },
    async (system, server) => {
      const url = `redis://:wrong-guess@127.0.0.1:${server.port}`
      const { code, stderr } = await system.start('dist/workers/worker.js', [], { TRACKYARD_REDIS_URL: url }).exited
      expect(code).toBe(3)
      expect(said(stderr)).toEqual([expect.stringMatching(/refused the user or the password in TRACKYARD_REDIS_URL/)])
      expect(stderr).not.toContain('wrong-guess')
    },
  )

  redisTest(
    "another store's Redis: exit 78, naming both stores, for a worker and for a submit",
    {},
    async (system, server) => {
      await system.submit(3)
      const stranger = await startSystem({ env: { TRACKYARD_REDIS_URL: server.url } })
      try {
        const both = [storeId(system), await idAfterSubmit(stranger)]
        const { code, stderr } = await stranger.start('dist/workers/worker.js').exited
        expect(code).toBe(78)
        for (const id of both) expect(stderr).toContain(id)
        expect(stranger.simulator.calls()).toHaveLength(0)
      } finally {
        await stranger.close()
      }
    },
  )

  redisTest(
    'an eviction policy that may throw jobs away: a warning that names the cure',
    { redis: { 'maxmemory-policy': 'allkeys-lru' } },
    async (system) => {
      const worker = await system.startWorker()
      await worker.waitForEvent('redis.misconfigured', {
        text: /maxmemory-policy allkeys-lru\)\. Set maxmemory-policy noeviction/,
      })
      // BullMQ's own warning comes with its workers, which begin after that.
      worker.kill('SIGTERM')
      await worker.exited
      expect(worker.stderr().match(/maxmemory-policy allkeys-lru/g)).toHaveLength(1)
      expect(worker.stderr()).not.toMatch(/IMPORTANT!/)
    },
  )
})

describe('the private Redis', () => {
  systemTest(
    'two workers that start at once share one server, and a killed one is started again: every search is called once',
    {
      simulator: { noMatchRate: 0, latencyMs: 100 },
      env: { TRACKYARD_RATE_LIMIT: '900' },
    },
    async (system) => {
      const workers = await Promise.all([system.startWorker(), system.startWorker()])
      const started = (): number => workers.flatMap((worker) => worker.logged('redis.started')).length
      expect(started()).toBe(1)
      await system.submit(120)
      await system.simulator.waitForCalls(10, 120_000)
      process.kill(Number(await readFile(join(system.dataDir, 'redis/redis.pid'), 'utf8')), 'SIGKILL')
      await until(() => workers.some((worker) => worker.logged('redis.restarted').length > 0), {
        timeoutMs: 120_000,
        what: 'a worker to start the private Redis again',
      })
      await untilDone(system)
      await expectAccounted(system, { rows: 120, unknown: 0 })
      expect(system.simulator.calls()).toHaveLength(120)
      expect(figure(system, 'select sum(failures) from search')).toBe(0)
      expect(started()).toBe(2)
    },
  )

  systemTest(
    'its file breaks while everything runs: it starts empty, and every search is called once',
    {
      simulator: { noMatchRate: 0, latencyMs: 100 },
      env: { TRACKYARD_RATE_LIMIT: '900' },
    },
    async (system) => {
      await system.submit(120)
      const up = system.start('dist/scripts/trackyard-batch.js', ['up'], { TRACKYARD_BOARD_PORT: '0' })
      await system.simulator.waitForCalls(10, 120_000)
      const files = join(system.dataDir, 'redis/appendonlydir')
      const pid = Number(await readFile(join(system.dataDir, 'redis/redis.pid'), 'utf8'))
      process.kill(pid, 'SIGKILL')
      for (const name of await readdir(files)) await writeFile(join(files, name), Buffer.alloc(200), { flag: 'a' })
      await up.waitForEvent('redis.files_moved')
      await untilDone(system)
      await expectAccounted(system, { rows: 120, unknown: 0 })
      expect(system.simulator.calls()).toHaveLength(120)
      expect((await system.status()).queue.workers).toBe(1)
      expect(up.logged('redis.files_moved')).toHaveLength(1)
      up.kill('SIGTERM')
      expect(await up.exited).toMatchObject({ code: 0 })
    },
  )

  systemTest('a file in place of its directory: one sentence, exit 3, also in status', {}, async (system) => {
    await system.submit(3)
    expect((await system.cli(['down'])).code).toBe(0)
    await rm(join(system.dataDir, 'redis'), { recursive: true })
    await writeFile(join(system.dataDir, 'redis'), 'in the way')
    const worker = system.start('dist/workers/worker.js')
    expect(await worker.exited).toMatchObject({ code: 3 })
    expect(said(worker.stderr())).toEqual([expect.stringMatching(/The private Redis cannot use .*redis/)])
    // A look starts nothing, so it would not know.
    const status = await system.cli(['status'])
    expect(status.code).toBe(3)
    expect(status.stdout).toMatch(/^The private Redis cannot use .* unknown\. 3 searches/m)
    await rm(join(system.dataDir, 'redis'))
    await system.worker()
    await untilDone(system)
    expect((await system.cli(['status'])).code).toBe(0)
  })
})

interface Refusal {
  readonly name: string
  readonly begin: (server: TestRedis) => Promise<unknown>
  readonly end: (server: TestRedis) => Promise<unknown>
  readonly event: string
}

/** A directory stands where the dump should be: saving fails, and Redis refuses changes. */
async function breakDump(server: TestRedis): Promise<void> {
  await mkdir(join(server.dir, 'dump.rdb'))
  await server.command('CONFIG', 'SET', 'save', '3600 1000000')
  await server.command('BGSAVE')
}

async function mendDump(server: TestRedis): Promise<void> {
  await rmdir(join(server.dir, 'dump.rdb'))
  await server.command('BGSAVE')
}

/** User and system time of a process so far; 0 where the system does not say. */
function cpuSeconds(pid: number): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
    return (Number(fields[11]) + Number(fields[12])) / 100
  } catch {
    return 0
  }
}

function said(stderr: string): readonly string[] {
  return stderr.split('\n').filter((line) => line !== '')
}

async function idAfterSubmit(of: SystemUnderTest): Promise<string> {
  const path = await of.file('films.csv', catalogText(2))
  const refused = await of.cli(['submit', path, '--query', QUERY, '--yes'])
  expect(refused.code).toBe(78)
  expect(refused.stderr).toMatch(/belongs to another store/)
  return storeId(of)
}

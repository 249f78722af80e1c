import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { UnreachableError } from '../../src/domain/errors.js'
import { jobIdOf } from '../../src/domain/search-id.js'
import { feed } from '../../src/maintenance/feeder.js'
import { dropUnreadable } from '../../src/maintenance/reconciler.js'
import { recoverRedis } from '../../src/maintenance/redis-recovery.js'
import { type InProcessSystem, queries, refOf, startInProcess, withInProcess } from '../support/in-process-system.js'
import { limitRate } from '../support/pauses.js'
import { until } from '../support/until.js'

let system: InProcessSystem
const OURS = '{trackyard}'
const key = (name: string) => `${OURS}:${name}`

/** Whatever stood there is replaced. */
async function put(system: InProcessSystem, name: string, ...command: readonly string[]): Promise<void> {
  const [verb = '', ...rest] = command
  // One script, since a worker may write the key between two commands.
  const replace = "redis.call('DEL', KEYS[1]) return redis.call(ARGV[1], KEYS[1], unpack(ARGV, 2))"
  const reply = await system.redis.command('EVAL', replace, '1', key(name), verb, ...rest)
  expect(reply).not.toMatch(/^-/)
}

type Damage = readonly [name: string, command: readonly string[]]

const DAMAGES: readonly (readonly [what: string, damages: readonly Damage[]])[] = [
  [
    'the jobs by state',
    [
      ['search:prioritized', ['SET', 'garbage']],
      ['search:prioritized', ['RPUSH', 'a']],
      ['search:active', ['SET', 'garbage']],
      ['search:wait', ['HSET', 'a', 'b']],
      ['search:paused', ['SET', 'garbage']],
      ['search:delayed', ['SET', 'garbage']],
      ['search:failed', ['RPUSH', 'a']],
      ['search:completed', ['SET', 'garbage']],
      ['search:stalled', ['SET', 'garbage']],
      ['search:stalled-check', ['SET', 'garbage']],
    ],
  ],
  [
    'the rules and counters of the queue',
    [
      ['search:meta', ['SET', 'garbage']],
      ['search:meta', ['HSET', 'max', 'garbage', 'duration', 'none']],
      ['search:meta', ['HSET', 'concurrency', 'many']],
      ['search:marker', ['SET', 'garbage']],
      ['search:pc', ['SET', 'garbage']],
      ['search:pc', ['HSET', 'a', 'b']],
      ['search:id', ['RPUSH', 'a']],
      ['search:limiter', ['SET', 'garbage']],
      ['search:limiter', ['SET', '9007199254740991']],
      ['search:limiter', ['HSET', 'a', 'b']],
    ],
  ],
  [
    'events, metrics and dead letters',
    [
      ['search:events', ['SET', 'garbage']],
      ['search:events', ['XADD', '18446744073709551615-18446744073709551615', 'event', 'none']],
      ['search:metrics:completed', ['SET', 'garbage']],
      ['search:metrics:completed', ['HSET', 'count', 'many', 'prevTS', '1', 'prevCount', '0']],
      ['search:metrics:completed', ['HSET', 'count', '3', 'prevTS', 'then', 'prevCount', '0']],
      ['search:metrics:completed:data', ['SET', 'garbage']],
      ['dead-letters:meta', ['RPUSH', 'a']],
      ['dead-letters:failed', ['SET', 'garbage']],
    ],
  ],
  [
    'the keys beside the queues',
    [
      ['store', ['SET', 'garbage']],
      ['store', ['RPUSH', 'a']],
      ['queue-id', ['RPUSH', 'a']],
      ['rate', ['RPUSH', 'a']],
      ['workers', ['SET', 'garbage']],
      ['stop', ['RPUSH', 'a']],
      ['settings', ['HSET', 'a', 'b']],
      ['lease:feed', ['SET', 'garbage']],
      ['lease:restore', ['RPUSH', 'a']],
      ['lease:reconcile', ['HSET', 'a', 'b']],
    ],
  ],
]

describe('a damaged key in the middle of a run', () => {
  // Side by side, each on parts of its own: most of the time they wait for the worker's next heartbeat.
  test.concurrent.each(DAMAGES)(
    '%s, one after another: all rows are answered, one call each',
    (_, damages) =>
      withInProcess({ simulator: { latencyMs: 20 } }, async (system) => {
        await putOthers(system)
        const worker = await system.worker({ TRACKYARD_CONCURRENCY: '3', TRACKYARD_RATE_LIMIT: '3000' })
        for (const [index, [name, command]] of damages.entries()) {
          const wait = (what: string, condition: () => boolean | Promise<boolean>, everyMs = 200) =>
            until(condition, { timeoutMs: 120_000, what: `${what} (${name} as ${command.join(' ')})`, everyMs })
          const before = system.simulator.calls().length
          const batch = await system.submit(queries(30, `scene ${index}`))
          await wait('some calls', () => system.simulator.calls().length > before + 5, 20)
          await put(system, name, ...command)
          const report = async () => (await system.store.reports.batches({ batchId: batch, limit: 1 }))[0]
          await wait('all rows to be answered', async () => (await report())?.waiting === 0)
          expect([name, command, system.simulator.calls().length - before]).toEqual([name, command, 30])
          await wait('the repair', async () => (await system.queue.registry.damage()).length === 0)
          // The worker says every four seconds that it lives.
          await wait('a worker that is idle', async () => (await system.status()).queue.state === 'idle')
        }
        await expectOthersUntouched(system)
        await worker.stop()
      }),
    600_000,
  )
})

/** Keys of other programs in the same Redis, with names that are nearly ours. */
async function putOthers({ redis }: InProcessSystem): Promise<void> {
  await redis.command('SET', 'other:data', 'untouched')
  await redis.command('SET', '{trackyard}x:data', 'untouched')
  await redis.command('RPUSH', 'trackyard:data', 'untouched')
}

async function expectOthersUntouched({ redis }: InProcessSystem): Promise<void> {
  expect(await redis.command('GET', 'other:data')).toContain('untouched')
  expect(await redis.command('GET', '{trackyard}x:data')).toContain('untouched')
  expect(await redis.command('LRANGE', 'trackyard:data', '0', '-1')).toContain('untouched')
}

describe('the repair', () => {
  beforeEach(async () => {
    system = await startInProcess()
  })
  afterEach(() => system.close())
  const parts = () => ({ ...system, setRate: () => system.queue.throttle.setRate(120) })

  test('restores the pause, the rate limit, the rate and every search', async () => {
    await recoverRedis(parts())
    await system.submit(queries(12))
    await feed(system)
    await system.store.pauses.add({ cause: 'operator', since: system.now(), detail: '' })
    const end = system.now() + 90_000
    await limitRate(system.store, end, system.now())
    await put(system, 'search:meta', 'SET', 'garbage')
    await put(system, 'search:limiter', 'SET', 'garbage')
    expect(await recoverRedis(parts())).toBe('restored')
    expect(system.log.logged('redis.damage_cleared')).toHaveLength(1)
    expect(await system.queue.throttle.isPaused()).toBe(true)
    expect(await system.queue.throttle.rate()).toEqual({ callsPerMinute: 120 })
    expect(Math.abs(((await system.queue.throttle.rateLimitedUntil()) ?? 0) - end)).toBeLessThan(20_000)
    expect(await feed(system)).toBe(12)
    expect(await recoverRedis(parts())).toBe('ours')
  })

  test('is done by one process at a time; after a kill the next one finishes it', async () => {
    await recoverRedis(parts())
    await put(system, 'search:wait', 'SET', 'garbage')
    const other = await system.another()
    await other.queue.registry.lease('restore', 60_000)
    expect(await recoverRedis(parts())).toBe('elsewhere')
    expect(await system.queue.registry.damage()).toEqual([key('search:wait')])
    // The other one removed the owner's key, which it does first, and was killed.
    await system.redis.command('DEL', key('store'))
    await other.queue.registry.release('restore')
    expect(await recoverRedis(parts())).toBe('restored')
    expect(await system.queue.registry.damage()).toEqual([])
  })

  test('one that another process has restored meanwhile is not emptied again', async () => {
    await system.submit(queries(12))
    const { registry } = system.queue
    const lateLease: typeof registry.lease = async (task, ms) => {
      const other = await system.another()
      await recoverRedis({ ...parts(), ...other })
      await feed({ ...parts(), ...other })
      return registry.lease(task, ms)
    }
    const queue = { ...system.queue, registry: { ...registry, lease: lateLease } }
    expect(await recoverRedis({ ...parts(), queue })).toBe('ours')
    expect(await system.store.feed.queued()).toMatchObject({ normal: 12 })
    expect(await registry.lease('restore', 1000)).toBe(true)
  })

  test("another store's Redis is never repaired", async () => {
    const other = 'b9e7a1c2-0d3f-4e5a-8b6c-7d8e9f0a1b2c'
    await system.queue.registry.claimOwnership(other)
    await put(system, 'search:wait', 'SET', 'garbage')
    await expect(recoverRedis(parts())).rejects.toThrow(/still holds the searches of store b9e7a1c2/)
    expect(await system.queue.registry.damage()).toEqual([key('search:wait')])
  })

  test('a working queue is never taken for damaged', async () => {
    const worker = await system.worker()
    await system.queue.registry.askToStop()
    await system.submit(queries(40))
    let looks = 0
    while ((await system.store.reports.totals(0)).due > 0) {
      expect(await system.queue.registry.damage()).toEqual([])
      looks += 1
    }
    expect(looks).toBeGreaterThan(3)
    await worker.stop()
  })

  test.each([
    ['RPUSH', 'a'],
    ['SET', 'garbage'],
  ])('a worker starts where the number of the latest call is damaged (%s %s)', async (...command) => {
    await recoverRedis(parts())
    await put(system, 'latest-call', ...command)
    await (await system.worker()).stop()
    expect(system.log.logged('store.rollback_detected')).toEqual([])
  })

  test('until it is done, a command reports the damage in one sentence', async () => {
    await recoverRedis(parts())
    await put(system, 'search:prioritized', 'SET', 'garbage')
    await expect(system.status()).rejects.toThrow(UnreachableError)
    await expect(system.status()).rejects.toThrow(/holds damaged values\. A running worker clears/)
  })
})

describe('an unreadable job', () => {
  beforeEach(async () => {
    system = await startInProcess()
    await recoverRedis({ ...system, setRate: () => system.queue.throttle.setRate(60_000) })
  })
  afterEach(() => system.close())
  const job = (n: number) => key(`search:${jobIdOf(refOf(`scene ${n}`))}`)

  const damages: readonly (readonly [what: string, damage: (n: number) => Promise<unknown>])[] = [
    ['has data that is no JSON', (n) => system.redis.command('HSET', job(n), 'data', '{"query":"sc')],
    ['has options that are no JSON', (n) => system.redis.command('HSET', job(n), 'opts', 'garbage')],
    ['has no data', (n) => system.redis.command('HDEL', job(n), 'data', 'name', 'opts')],
    ['is gone while its id stands in the queue', (n) => system.redis.command('DEL', job(n))],
    ['is of the wrong type', (n) => put(system, `search:${jobIdOf(refOf(`scene ${n}`))}`, 'SET', 'garbage')],
  ]
  test.each(damages)(
    'and %s: a worker answers all rows, one call each',
    async (_, damage) => {
      await system.submit(queries(12))
      await feed(system)
      for (const n of [1, 5, 12]) await damage(n)
      const worker = await system.worker({ TRACKYARD_CONCURRENCY: '2' })
      const due = async () => (await system.store.reports.totals(0)).due
      await until(async () => (await due()) === 0, { timeoutMs: 120_000, what: 'all rows to be answered' })
      expect(system.simulator.calls()).toHaveLength(12)
      await worker.stop()
    },
    240_000,
  )

  test('is dropped during a run, and all rows are answered, one call each', async () => {
    await system.submit(queries(20))
    const worker = await system.worker({ TRACKYARD_CONCURRENCY: '2', TRACKYARD_RATE_LIMIT: '600' })
    await until(() => system.simulator.calls().length > 2, { timeoutMs: 120_000, what: 'the first calls' })
    for (const [index, [, damage]] of damages.entries()) await damage(16 + index)
    const due = async () => (await system.store.reports.totals(0)).due
    await until(async () => (await due()) === 0, { timeoutMs: 120_000, what: 'all rows to be answered' })
    expect(system.log.logged('job.unreadable_dropped').length).toBeGreaterThan(0)
    expect(system.simulator.calls()).toHaveLength(20)
    await worker.stop()
  }, 240_000)

  test('is dropped alone and requeued in a new round, in any state', async () => {
    await system.submit(queries(8))
    await feed(system)
    for (const [index, [, damage]] of damages.entries()) await damage(index + 1)
    expect(await dropUnreadable(system, 'active')).toBe(0)
    expect(await dropUnreadable(system, 'everywhere')).toBe(5)
    expect(await system.queue.searches.counts()).toMatchObject({ waiting: 3 })
    expect(await feed(system)).toBe(5)
    expect(await system.queue.searches.present([refOf('scene 1', 2)])).toHaveProperty('size', 1)
    expect(await dropUnreadable(system, 'everywhere')).toBe(0)
  })

  test('so is a job that would be delayed forever', async () => {
    await system.submit(queries(2))
    await feed(system)
    const id = jobIdOf(refOf('scene 1'))
    await system.redis.command('ZREM', key('search:prioritized'), id)
    await system.redis.command('ZADD', key('search:delayed'), '9e300', id)
    expect(await dropUnreadable(system, 'everywhere')).toBe(1)
    expect(await feed(system)).toBe(1)
  })
})

import { describe, expect, test } from '@jest/globals'
import { type WorkerRegistry, warningsIn } from '../../src/queue/worker-registry.js'
import { eventually, openerOnRedis } from './setup.js'

const { open, redis } = openerOnRedis()

async function twoProcesses() {
  const one = await open.queue()
  const other = await open.queue({ prefix: one.prefix })
  return [one.registry, other.registry] as const
}

const failuresOf = async (registry: WorkerRegistry) =>
  (await registry.live()).flatMap(({ writeFailure }) => writeFailure ?? [])

describe('the Redis owner', () => {
  test('belongs to the first store that claims it, also when ten claim at once', async () => {
    const [one, other] = await twoProcesses()
    expect(await one.owner()).toBeNull()
    const claims = await Promise.all(
      Array.from({ length: 10 }, (_, index) => (index % 2 === 0 ? one : other).claimOwnership(`store ${index}`)),
    )
    expect(claims.filter((claimed) => claimed)).toHaveLength(1)
    const owner = `store ${claims.indexOf(true)}`
    expect(await other.owner()).toBe(owner)
    expect(await other.claimOwnership(owner)).toBe(true)
    expect(await other.claimOwnership('somebody else')).toBe(false)
  })

  test('is gone after FLUSHALL, and there after a kill', async () => {
    const [one] = await twoProcesses()
    await one.claimOwnership('mine')
    await redis().kill()
    await redis().restart()
    expect(await one.owner()).toBe('mine')
    await redis().flush()
    expect(await one.owner()).toBeNull()
  })

  test('comes with a random id, which lasts as long as the data', async () => {
    const [one, other] = await twoProcesses()
    expect(await one.queueId()).toBeNull()
    await one.claimOwnership('mine')
    const id = await one.queueId()
    expect(id).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
    expect(await other.queueId()).toBe(id)
    await one.clear('restore', 1000)
    expect(await one.queueId()).toBeNull()
    await one.claimOwnership('mine')
    expect(await one.queueId()).not.toBe(id)
  })
})

describe('a lease', () => {
  test('is one process’s until it gives it back, and the other cannot give it back', async () => {
    const [one, other] = await twoProcesses()
    expect(await one.lease('feed', 60_000)).toBe(true)
    expect(await other.lease('feed', 60_000)).toBe(false)
    expect(await other.lease('sweep', 60_000)).toBe(true)
    await other.release('feed')
    expect(await other.lease('feed', 60_000)).toBe(false)
    await one.release('feed')
    expect(await other.lease('feed', 60_000)).toBe(true)
  })

  test('is free if it lasts far longer than was asked for: the clock was set back', async () => {
    const [one, other] = await twoProcesses()
    expect(await one.lease('feed', 3_600_000)).toBe(true)
    expect(await other.lease('feed', 360_001)).toBe(false)
    expect(await other.lease('feed', 60_000)).toBe(true)
  })

  test('a process that ends gives back all of its own', async () => {
    const [one, other] = await twoProcesses()
    await one.release()
    for (const task of ['feed', 'sweep']) expect(await one.lease(task, 60_000)).toBe(true)
    expect(await other.lease('rate', 60_000)).toBe(true)
    await one.release()
    expect(await one.lease('rate', 60_000)).toBe(false)
    for (const task of ['feed', 'sweep']) expect(await other.lease(task, 60_000)).toBe(true)
  })

  test('ends by itself, and is extended by who holds it', async () => {
    const [one, other] = await twoProcesses()
    await one.lease('feed', 40)
    await eventually('it has ended', () => other.lease('feed', 60_000))
    expect(await one.lease('feed', 10_000)).toBe(false)
    expect(await other.lease('feed', 60_000)).toBe(true)
  })
})

test('workers are counted while they beat, and not once they left or fell silent', async () => {
  const queue = await open.queue()
  const { registry } = queue
  for (const id of ['a', 'b', 'c', 'b']) await registry.heartbeat({ id, writeFailure: null })
  expect(await registry.workers()).toBe(3)
  await registry.unregister('a')
  expect(await registry.workers()).toBe(2)
  expect(Number(/:(\d+)/.exec(await redis().command('PTTL', `${queue.prefix}:worker:b`))?.[1])).toBeGreaterThan(5000)
  await redis().command('PEXPIRE', `${queue.prefix}:worker:b`, '1')
  await eventually('the silent one is no worker any more', async () => (await registry.workers()) === 1)
})

test('what a worker says of its write failure is known until it says otherwise, leaves or falls silent', async () => {
  const { registry, prefix } = await open.queue()
  const writeFailure = { kind: 'save', since: 1234, cause: 'The store was locked.' } as const
  await registry.heartbeat({ id: 'a', writeFailure })
  await registry.heartbeat({ id: 'b', writeFailure: { ...writeFailure, kind: 'claim' } })
  await registry.heartbeat({ id: 'c', writeFailure: null })
  expect(await registry.workers()).toBe(3)
  expect(await failuresOf(registry)).toHaveLength(2)
  await registry.heartbeat({ id: 'b', writeFailure: null })
  expect(await failuresOf(registry)).toEqual([writeFailure])
  await redis().command('SET', `${prefix}:worker:c`, '{"pid":1}')
  expect(await failuresOf(registry)).toEqual([writeFailure])
  await registry.unregister('a')
  expect(await failuresOf(registry)).toEqual([])
})

test('a wish to stop reaches every process, and is forgotten after a minute', async () => {
  const queue = await open.queue()
  const other = await open.queue({ prefix: queue.prefix })
  expect(await other.registry.isStopRequested()).toBe(false)
  await queue.registry.askToStop()
  expect(await other.registry.isStopRequested()).toBe(true)
  const ttl = Number(/:(\d+)/.exec(await redis().command('PTTL', `${queue.prefix}:stop`))?.[1])
  expect(ttl).toBeGreaterThan(0)
  expect(ttl).toBeLessThanOrEqual(60_000)
})

describe('warnings', () => {
  test('none for a Redis as it should be, one sentence for each thing that is not', async () => {
    const { registry } = await open.queue()
    expect(await registry.warnings()).toEqual([])
    await redis().command('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru')
    await redis().command('CONFIG', 'SET', 'appendonly', 'no')
    try {
      expect(await registry.warnings()).toEqual([
        expect.stringContaining('maxmemory-policy allkeys-lru'),
        expect.stringContaining('appendonly no'),
      ])
    } finally {
      await redis().command('CONFIG', 'SET', 'maxmemory-policy', 'noeviction')
      await redis().command('CONFIG', 'SET', 'appendonly', 'yes')
    }
  })

  test('an old version is named; Valkey’s compatibility version is not mistaken for one', () => {
    expect(warningsIn('redis_version:6.0.16\r\n')).toEqual([expect.stringContaining('Redis 6.0.16 is older')])
    expect(warningsIn('redis_version:6.2.0\r\naof_enabled:1\r\n')).toEqual([])
    expect(warningsIn('redis_version:10.0.1\r\n')).toEqual([])
    expect(warningsIn('redis_version:5.0.0\r\nvalkey_version:9.0.0\r\n')).toEqual([])
    expect(warningsIn('')).toEqual([])
  })
})

describe('damaged values', () => {
  const damages: readonly (readonly string[])[] = [
    ['SET', 'garbage'],
    ['RPUSH', 'garbage'],
    ['HSET', 'a', 'b'],
  ]
  test.each(damages)('a lease replaced by %s %s is nobody’s, and can be taken and given back', async (...words) => {
    const { registry, prefix } = await open.queue()
    const [verb = '', ...rest] = words
    await redis().command(verb, `${prefix}:lease:feed`, ...rest)
    await registry.release('feed')
    expect(await registry.lease('feed', 60_000)).toBe(true)
    expect(await (await open.queue({ prefix })).registry.lease('feed', 60_000)).toBe(false)
  })

  test.each(damages)(
    'a heartbeat replaced by %s %s counts for 15 seconds at most, and says nothing',
    async (...words) => {
      const { registry, prefix } = await open.queue()
      await registry.heartbeat({ id: 'alive', writeFailure: null })
      await registry.heartbeat({ id: 'dead', writeFailure: null })
      const [verb = '', ...rest] = words
      await redis().command('DEL', `${prefix}:worker:dead`)
      await redis().command(verb, `${prefix}:worker:dead`, ...rest)
      expect(await failuresOf(registry)).toEqual([])
      await registry.workers()
      if (verb === 'SET') {
        expect(await redis().command('PTTL', `${prefix}:worker:dead`)).toMatch(/^:\d+/)
        await redis().command('PEXPIRE', `${prefix}:worker:dead`, '1')
      }
      await eventually('only the living one counts', async () => (await registry.workers()) === 1)
      await registry.heartbeat({ id: 'dead', writeFailure: null })
      expect(await registry.workers()).toBe(2)
    },
  )

  test('keys that hold what was never written are named; those that are missing are not', async () => {
    const { registry, prefix } = await open.queue()
    expect(await registry.damage()).toEqual([])
    await redis().command('SET', `${prefix}:search:wait`, 'garbage')
    await redis().command('SET', `${prefix}:search:stalled-check`, '1')
    await redis().command('SET', `${prefix}:search:job`, 'no key of the queue itself')
    expect(await registry.damage()).toEqual([`${prefix}:search:wait`, `${prefix}:search:stalled-check`])
    await redis().command('SET', `${prefix}x:foreign`, 'stays')
    await registry.lease('restore', 60_000)
    await registry.clear('restore', 60_000)
    expect(await registry.damage()).toEqual([])
    expect(await redis().command('KEYS', `${prefix}*`)).toMatch(/^\*2\r\n/)
  })
})

test('live workers are told with where they run; one of an earlier version without', async () => {
  const { registry } = await open.queue()
  const mismatches = [{ setting: 'TRACKYARD_CREDIT_RESERVE', here: '0', inForce: '100' }]
  const facts = { host: 'night-box', pid: 4711, startedAt: 2000, inFlight: 3, hasWebhook: true, mismatches }
  const writeFailure = { kind: 'save', since: 1, cause: 'the disk is full' } as const
  await registry.heartbeat({ id: 'b', writeFailure, facts })
  await registry.heartbeat({ id: 'a', writeFailure: null })
  expect(await registry.live()).toEqual([
    { id: 'a', facts: null, writeFailure: null },
    { id: 'b', facts, writeFailure },
  ])
  expect(await failuresOf(registry)).toEqual([writeFailure])
  await registry.expire('b')
  expect(await registry.workers()).toBe(1)
  expect(await registry.missing()).toEqual(['b'])
})

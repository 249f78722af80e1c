import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import type { Running } from '../../src/app/running.js'
import { UnreachableError } from '../../src/domain/errors.js'
import { jobIdOf } from '../../src/domain/search-id.js'
import { checkEpoch } from '../../src/feed/epoch.js'
import { feed } from '../../src/feed/feeder.js'
import { dropUnreadable } from '../../src/feed/unreadable.js'
import { type Fleet, queries, refOf, startFleet } from '../support/fleet.js'
import { until } from '../support/until.js'

let fleet: Fleet
const OURS = '{trackyard}'
const key = (name: string) => `${OURS}:${name}`

/** Whatever stood there is replaced. */
async function put(name: string, ...command: readonly string[]): Promise<void> {
  const [verb = '', ...rest] = command
  await fleet.redis.command('DEL', key(name))
  const reply = await fleet.redis.command(verb, key(name), ...rest)
  expect(reply).not.toMatch(/^-/)
}

const SEARCH_KEYS: readonly (readonly [name: string, command: readonly string[]])[] = [
  ['search:meta', ['SET', 'garbage']],
  ['search:meta', ['HSET', 'max', 'garbage', 'duration', 'none']],
  ['search:meta', ['HSET', 'concurrency', 'many']],
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
  ['search:events', ['SET', 'garbage']],
  ['search:events', ['XADD', '18446744073709551615-18446744073709551615', 'event', 'none']],
  ['search:marker', ['SET', 'garbage']],
  ['search:pc', ['SET', 'garbage']],
  ['search:pc', ['HSET', 'a', 'b']],
  ['search:id', ['RPUSH', 'a']],
  ['search:limiter', ['SET', 'garbage']],
  ['search:limiter', ['SET', '9007199254740991']],
  ['search:limiter', ['HSET', 'a', 'b']],
  ['dead-letters:meta', ['RPUSH', 'a']],
  ['dead-letters:failed', ['SET', 'garbage']],
  ['store', ['SET', 'garbage']],
  ['store', ['RPUSH', 'a']],
  ['pace', ['RPUSH', 'a']],
  ['workers', ['SET', 'garbage']],
  ['stop', ['RPUSH', 'a']],
  ['limit', ['HSET', 'a', 'b']],
  ['lease:feed', ['SET', 'garbage']],
  ['lease:restore', ['RPUSH', 'a']],
  ['lease:reconcile', ['HSET', 'a', 'b']],
]

describe('a damaged key in the middle of a run', () => {
  let worker: Running
  beforeAll(async () => {
    fleet = await startFleet({ simulator: { latencyMs: 20 } })
    worker = await fleet.worker({ TRACKYARD_CONCURRENCY: '3', TRACKYARD_RATE_LIMIT: '3000' })
    await fleet.redis.command('SET', 'other:data', 'untouched')
    await fleet.redis.command('SET', '{trackyard}x:data', 'untouched')
    await fleet.redis.command('RPUSH', 'trackyard:data', 'untouched')
  }, 60_000)
  afterAll(async () => {
    await worker.stop()
    await fleet.close()
  })

  test.each(SEARCH_KEYS.map(([name, command], index) => [name, command, index] as const))(
    '%s as %j: all rows are answered, one call each',
    async (name, command, index) => {
      const before = fleet.simulator.calls().length
      const batch = await fleet.submit(queries(30, `word ${index}`), { name: `batch ${index}` })
      await until(() => fleet.simulator.calls().length > before + 5, { timeoutMs: 50_000, what: 'some calls' })
      await put(name, ...command)
      const done = async () => (await fleet.store.reports.batches({ batchId: batch, limit: 1 }))[0]?.waiting === 0
      await until(done, { timeoutMs: 50_000, what: 'all rows to be answered' })
      expect(fleet.simulator.calls()).toHaveLength(before + 30)
      await until(async () => (await fleet.queue.fleet.damage()).length === 0, {
        timeoutMs: 30_000,
        what: 'the repair',
      })
      // The worker says every four seconds that it lives.
      const state = async () => (await fleet.status()).queue.state
      await until(async () => (await state()) === 'idle', { timeoutMs: 30_000, what: 'a worker that is idle' })
    },
    120_000,
  )

  test('what belongs to others in the same Redis was never touched', async () => {
    expect(await fleet.redis.command('GET', 'other:data')).toContain('untouched')
    expect(await fleet.redis.command('GET', '{trackyard}x:data')).toContain('untouched')
    expect(await fleet.redis.command('LRANGE', 'trackyard:data', '0', '-1')).toContain('untouched')
  })
})

describe('the repair', () => {
  beforeEach(async () => {
    fleet = await startFleet()
  })
  afterEach(() => fleet.close())
  const parts = () => ({ ...fleet, setPace: () => fleet.queue.gate.setPace(120) })

  test('brings back the pause, the rate limit, the pace and every search', async () => {
    await checkEpoch(parts())
    await fleet.submit(queries(12))
    await feed(fleet)
    await fleet.store.pauses.add({ cause: 'operator', since: fleet.now(), detail: '' })
    const end = fleet.now() + 90_000
    await fleet.store.pauses.hold(end, fleet.now())
    await put('search:meta', 'SET', 'garbage')
    await put('search:limiter', 'SET', 'garbage')
    expect(await checkEpoch(parts())).toBe('restored')
    expect(fleet.log.said(/holds damaged values/)).toHaveLength(1)
    expect(await fleet.queue.gate.paused()).toBe(true)
    expect(await fleet.queue.gate.pace()).toEqual({ callsPerMinute: 120 })
    expect(Math.abs(((await fleet.queue.gate.heldUntil()) ?? 0) - end)).toBeLessThan(20_000)
    expect(await feed(fleet)).toBe(12)
    expect(await checkEpoch(parts())).toBe('ours')
  })

  test('is done by one process at a time, and finished by the next where one was killed', async () => {
    await checkEpoch(parts())
    await put('search:wait', 'SET', 'garbage')
    const other = await fleet.another()
    await other.queue.fleet.lease('restore', 60_000)
    expect(await checkEpoch(parts())).toBe('elsewhere')
    expect(await fleet.queue.fleet.damage()).toEqual([key('search:wait')])
    // The other one removed the owner's key, which it does first, and was killed.
    await fleet.redis.command('DEL', key('store'))
    await other.queue.fleet.release('restore')
    expect(await checkEpoch(parts())).toBe('restored')
    expect(await fleet.queue.fleet.damage()).toEqual([])
  })

  test("another store's Redis is never repaired", async () => {
    const other = 'b9e7a1c2-0d3f-4e5a-8b6c-7d8e9f0a1b2c'
    await fleet.queue.fleet.claimEpoch(other)
    await put('search:wait', 'SET', 'garbage')
    await expect(checkEpoch(parts())).rejects.toThrow(/still holds the searches of store b9e7a1c2/)
    expect(await fleet.queue.fleet.damage()).toEqual([key('search:wait')])
  })

  test('a queue at work is never taken for damaged', async () => {
    const worker = await fleet.worker()
    await fleet.queue.fleet.askToStop(0)
    await fleet.submit(queries(40))
    let looks = 0
    while ((await fleet.store.reports.totals(0)).due > 0) {
      expect(await fleet.queue.fleet.damage()).toEqual([])
      looks += 1
    }
    expect(looks).toBeGreaterThan(3)
    await worker.stop()
  })

  test('until it is done, a command says so in one sentence', async () => {
    await checkEpoch(parts())
    await put('search:prioritized', 'SET', 'garbage')
    await expect(fleet.status()).rejects.toThrow(UnreachableError)
    await expect(fleet.status()).rejects.toThrow(/holds damaged values\. A running worker clears/)
  })
})

describe('a job that cannot be read', () => {
  beforeEach(async () => {
    fleet = await startFleet()
    await checkEpoch({ ...fleet, setPace: () => fleet.queue.gate.setPace(60_000) })
  })
  afterEach(() => fleet.close())
  const job = (n: number) => key(`search:${jobIdOf(refOf(`scene ${n}`))}`)

  const damages: readonly (readonly [what: string, damage: (n: number) => Promise<unknown>])[] = [
    ['has data that is no JSON', (n) => fleet.redis.command('HSET', job(n), 'data', '{"query":"sc')],
    ['has options that are no JSON', (n) => fleet.redis.command('HSET', job(n), 'opts', 'garbage')],
    ['has no data', (n) => fleet.redis.command('HDEL', job(n), 'data', 'name', 'opts')],
    ['is gone while its id stands in the queue', (n) => fleet.redis.command('DEL', job(n))],
    ['is of the wrong type', (n) => put(`search:${jobIdOf(refOf(`scene ${n}`))}`, 'SET', 'garbage')],
  ]
  test.each(damages)(
    'and %s: a worker answers all rows, one call each',
    async (_, damage) => {
      await fleet.submit(queries(12))
      await feed(fleet)
      for (const n of [1, 5, 12]) await damage(n)
      const worker = await fleet.worker({ TRACKYARD_CONCURRENCY: '2' })
      const due = async () => (await fleet.store.reports.totals(0)).due
      await until(async () => (await due()) === 0, { timeoutMs: 50_000, what: 'all rows to be answered' })
      expect(fleet.simulator.calls()).toHaveLength(12)
      await worker.stop()
    },
    90_000,
  )

  test('is dropped while a worker works, and all rows are answered, one call each', async () => {
    await fleet.submit(queries(20))
    const worker = await fleet.worker({ TRACKYARD_CONCURRENCY: '2', TRACKYARD_RATE_LIMIT: '600' })
    await until(() => fleet.simulator.calls().length > 2, { timeoutMs: 50_000, what: 'the first calls' })
    for (const [index, [, damage]] of damages.entries()) await damage(16 + index)
    const due = async () => (await fleet.store.reports.totals(0)).due
    await until(async () => (await due()) === 0, { timeoutMs: 50_000, what: 'all rows to be answered' })
    expect(fleet.log.said(/jobs that cannot be read/).length).toBeGreaterThan(0)
    expect(fleet.simulator.calls()).toHaveLength(20)
    await worker.stop()
  }, 90_000)

  test('is dropped alone and put back in a new round, wherever it stands', async () => {
    await fleet.submit(queries(8))
    await feed(fleet)
    for (const [index, [, damage]] of damages.entries()) await damage(index + 1)
    expect(await dropUnreadable(fleet, 'active')).toBe(0)
    expect(await dropUnreadable(fleet, 'everywhere')).toBe(5)
    expect(await fleet.queue.searches.counts()).toMatchObject({ waiting: 3 })
    expect(await feed(fleet)).toBe(5)
    expect(await fleet.queue.searches.present([refOf('scene 1', 2)])).toHaveProperty('size', 1)
    expect(await dropUnreadable(fleet, 'everywhere')).toBe(0)
  })

  test('so is one that would be delayed for ever', async () => {
    await fleet.submit(queries(2))
    await feed(fleet)
    const id = jobIdOf(refOf('scene 1'))
    await fleet.redis.command('ZREM', key('search:prioritized'), id)
    await fleet.redis.command('ZADD', key('search:delayed'), '9e300', id)
    expect(await dropUnreadable(fleet, 'everywhere')).toBe(1)
    expect(await feed(fleet)).toBe(1)
  })
})

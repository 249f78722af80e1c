import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { feed } from '../../src/maintenance/feeder.js'
import { recoverRedis } from '../../src/maintenance/redis-recovery.js'
import { type InProcessSystem, queries, startInProcess } from '../support/in-process-system.js'
import { until } from '../support/until.js'

/** A more urgent batch wants what is queued already: the order of the calls at the server shows who went first. */
let registry: InProcessSystem
beforeEach(async () => {
  registry = await startInProcess()
  await ours()
})
afterEach(() => registry.close())

/** What a worker does first: else it would put everything back. */
const ours = () => recoverRedis({ ...registry, setRate: () => registry.queue.throttle.setRate(60_000) })
const called = () => registry.simulator.calls().map((call) => call.query)

async function callsInOrder(count: number): Promise<readonly string[]> {
  await registry.worker({ TRACKYARD_CONCURRENCY: '1' })
  await until(() => called().length === count, { timeoutMs: 60_000, what: `${count} calls` })
  return called()
}

async function share(): Promise<void> {
  await registry.submit(queries(30))
  expect(await feed(registry)).toBe(30)
  await registry.submit(['scene 22', 'brand new', 'scene 28'], { name: 'urgent', priority: 'high' })
}

test('they are called first, once each, and the rest in its old order', async () => {
  await share()
  expect(await feed(registry)).toBe(3)
  expect(await feed(registry)).toBe(0)
  const rest = queries(30).filter((query) => query !== 'scene 22' && query !== 'scene 28')
  // New jobs of a chunk are added before those that are there are moved.
  expect(await callsInOrder(31)).toEqual(['brand new', 'scene 22', 'scene 28', ...rest])
})

test('they still are after Redis has lost everything', async () => {
  await share()
  await feed(registry)
  await registry.redis.flush()
  expect(await ours()).toBe('restored')
  expect(await feed(registry)).toBe(31)
  expect((await callsInOrder(31)).slice(0, 3)).toEqual(['scene 22', 'scene 28', 'brand new'])
})

test('a job whose feeder died before marking it is moved forward too', async () => {
  await registry.submit(queries(5))
  const room = { high: 10, normal: 10, low: 10 }
  const found = await registry.store.feed.due(10, room)
  await registry.queue.searches.add(
    found.map(({ ref, request, priority }) => ({ ref, priority, data: { query: request.query, batch: 'night' } })),
  )
  await registry.submit(['scene 4'], { name: 'urgent', priority: 'high' })
  await feed(registry)
  expect((await callsInOrder(5))[0]).toBe('scene 4')
})

import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { feed } from '../../src/maintenance/feeder.js'
import { recoverRedis } from '../../src/maintenance/redis-recovery.js'
import { type InProcessSystem, queries, startInProcess } from '../support/in-process-system.js'
import { until } from '../support/until.js'

/** A more urgent batch wants what is queued already: the order of the calls at the server shows who went first. */
let system: InProcessSystem
beforeEach(async () => {
  system = await startInProcess()
  await ours()
})
afterEach(() => system.close())

/** What a worker does first: else it would put everything back. */
const ours = () => recoverRedis({ ...system, setRate: () => system.queue.throttle.setRate(60_000) })
const called = () => system.simulator.calls().map((call) => call.query)

async function callsInOrder(count: number): Promise<readonly string[]> {
  await system.worker({ TRACKYARD_CONCURRENCY: '1' })
  await until(() => called().length === count, { timeoutMs: 120_000, what: `${count} calls` })
  return called()
}

async function share(): Promise<void> {
  await system.submit(queries(30))
  expect(await feed(system)).toBe(30)
  await system.submit(['scene 22', 'brand new', 'scene 28'], { name: 'urgent', priority: 'high' })
}

test('they are called first, once each, and the rest in its old order', async () => {
  await share()
  expect(await feed(system)).toBe(3)
  expect(await feed(system)).toBe(0)
  const rest = queries(30).filter((query) => query !== 'scene 22' && query !== 'scene 28')
  // New jobs of a chunk are added before those that are there are moved.
  expect(await callsInOrder(31)).toEqual(['brand new', 'scene 22', 'scene 28', ...rest])
})

test('they still are after Redis has lost everything', async () => {
  await share()
  await feed(system)
  await system.redis.flush()
  expect(await ours()).toBe('restored')
  expect(await feed(system)).toBe(31)
  expect((await callsInOrder(31)).slice(0, 3)).toEqual(['scene 22', 'scene 28', 'brand new'])
})

test('a job whose feeder died before marking it is moved forward too', async () => {
  await system.submit(queries(5))
  const room = { high: 10, normal: 10, low: 10 }
  const found = await system.store.feed.due(10, room)
  await system.queue.searches.add(
    found.map(({ ref, request, priority }) => ({ ref, priority, data: { query: request.query, batch: 'night' } })),
  )
  await system.submit(['scene 4'], { name: 'urgent', priority: 'high' })
  await feed(system)
  expect((await callsInOrder(5))[0]).toBe('scene 4')
})

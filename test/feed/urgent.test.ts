import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { checkEpoch } from '../../src/feed/epoch.js'
import { feed } from '../../src/feed/feeder.js'
import { type Fleet, queries, startFleet } from '../support/fleet.js'
import { until } from '../support/until.js'

/** A more urgent batch wants what is queued already: the order of the calls at the server shows who went first. */
let fleet: Fleet
beforeEach(async () => {
  fleet = await startFleet()
  await ours()
})
afterEach(() => fleet.close())

/** What a worker does first: else it would put everything back. */
const ours = () => checkEpoch({ ...fleet, setPace: () => fleet.queue.gate.setPace(60_000) })
const called = () => fleet.simulator.calls().map((call) => call.query)

async function callsInOrder(count: number): Promise<readonly string[]> {
  await fleet.worker({ TRACKYARD_CONCURRENCY: '1' })
  await until(() => called().length === count, { timeoutMs: 60_000, what: `${count} calls` })
  return called()
}

async function share(): Promise<void> {
  await fleet.submit(queries(30))
  expect(await feed(fleet)).toBe(30)
  await fleet.submit(['scene 22', 'brand new', 'scene 28'], { name: 'urgent', priority: 'high' })
}

test('they are called first, once each, and the rest in its old order', async () => {
  await share()
  expect(await feed(fleet)).toBe(3)
  expect(await feed(fleet)).toBe(0)
  const rest = queries(30).filter((query) => query !== 'scene 22' && query !== 'scene 28')
  // New jobs of a chunk are added before those that are there are moved.
  expect(await callsInOrder(31)).toEqual(['brand new', 'scene 22', 'scene 28', ...rest])
})

test('they still are after Redis has lost everything', async () => {
  await share()
  await feed(fleet)
  await fleet.redis.flush()
  expect(await ours()).toBe('restored')
  expect(await feed(fleet)).toBe(31)
  expect((await callsInOrder(31)).slice(0, 3)).toEqual(['scene 22', 'scene 28', 'brand new'])
})

test('a job that was added and not marked, because its feeder died, is moved forward too', async () => {
  await fleet.submit(queries(5))
  const room = { high: 10, normal: 10, low: 10 }
  const found = await fleet.store.feed.due(10, room)
  await fleet.queue.searches.add(
    found.map(({ ref, request, priority }) => ({ ref, priority, data: { query: request.query, batch: 'night' } })),
  )
  await fleet.submit(['scene 4'], { name: 'urgent', priority: 'high' })
  await feed(fleet)
  expect((await callsInOrder(5))[0]).toBe('scene 4')
})

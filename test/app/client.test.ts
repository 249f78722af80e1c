import { randomUUID } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { type BatchClient, openBatchClient } from '../../src/app/client.js'
import { ConfigurationError, UsageError } from '../../src/domain/errors.js'
import { type InProcessSystem, startInProcess } from '../support/in-process-system.js'

/** A script that uses the library: rows in, tags out, with separate workers. */
let system: InProcessSystem
let client: BatchClient
beforeEach(async () => {
  system = await startInProcess({ simulator: { faults: [{ match: 'refused', does: { status: 400 } }] } })
  client = await open()
})
afterEach(async () => {
  await client.close()
  await system.close()
})

const open = () =>
  openBatchClient({ env: { TRACKYARD_DATA_DIR: system.dataDir, TRACKYARD_REDIS_URL: system.redis.url } })

async function* films(count: number) {
  for (let n = 1; n <= count; n += 1) {
    await new Promise((resolve) => setImmediate(resolve))
    yield { id: `film-${n}`, title: `scene ${n}`, mood: n === 3 ? 'refused' : 'calm' }
  }
}
const options = { name: 'spring', query: '{title} {mood} music' }

async function collected<T>(rows: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const row of rows) all.push(row)
  return all
}

test('rows of an async iterable come back tagged, in order', async () => {
  const batch = await client.submit(films(6), options)
  expect(batch.plan).toMatchObject({ rows: 6, searches: 6, creditsNeeded: 6 })
  await system.worker()
  expect(await client.wait(batch.id, { timeoutMs: 40_000 })).toBe('done')
  const results = await collected(client.results('spring'))
  expect(results.map((row) => [row.id, row.status])).toEqual([
    ['film-1', 'tagged'],
    ['film-2', 'tagged'],
    ['film-3', 'dead'],
    ['film-4', 'tagged'],
    ['film-5', 'tagged'],
    ['film-6', 'tagged'],
  ])
  expect(results[0]?.tags?.genre).toEqual(expect.any(String))
  expect(results[0]?.tracks.length).toBeGreaterThan(0)
  expect(results[0]?.row).toEqual({ id: 'film-1', title: 'scene 1', mood: 'calm' })
  expect(results[2]).toMatchObject({ tags: null, tracks: [], error: expect.stringMatching(/\S/) })
  expect((await client.status(batch.id)).batches).toMatchObject([{ tagged: 5, dead: 1 }])
})

test('a plan spends nothing, can be dropped, and is released with its cap', async () => {
  const dropped = await client.plan(films(5), { ...options, name: 'dropped' })
  expect((await client.status()).queue.waiting).toBe(0)
  await dropped.drop()
  await expect(client.status('dropped')).rejects.toThrow(UsageError)
  const capped = await client.plan([{ query: 'calm piano' }, { query: 'dark drums', limit: 5 }], {
    name: 'capped',
    maxCredits: 1,
  })
  await capped.release()
  expect((await client.status('capped')).queue).toMatchObject({ waiting: 1 })
  expect((await system.queue.searches.counts()).waiting).toBe(1)
})

test('a source that fails halfway leaves no batch behind', async () => {
  async function* broken() {
    yield* films(3)
    throw new Error('the database is gone')
  }
  await expect(client.submit(broken(), options)).rejects.toThrow('the database is gone')
  await expect(client.status('spring')).rejects.toThrow(UsageError)
})

test('a row that contains itself is named and leaves no batch behind', async () => {
  const bad: Record<string, unknown> = { title: 'x', mood: 'y' }
  bad.value = bad
  const refused = client.submit([{ title: 'a', mood: 'b' }, bad], options)
  await expect(refused).rejects.toMatchObject({
    name: 'UsageError',
    message: expect.stringMatching(/^Row 2: expected values that JSON can represent/),
  })
  expect(await system.store.batches.find(null)).toBeNull()
})

test.each([[undefined], [''], ['  '], ['two\nlines'], ['x'.repeat(201)], [7]])(
  'the name %j is refused, as on the command line',
  async (name) => {
    const wanted = { ...options, name } as typeof options
    await expect(client.submit(films(1), wanted)).rejects.toMatchObject({
      name: 'UsageError',
      message: expect.stringMatching(/^Expected the batch's name to be one line of text, 1 to 200 characters, found /),
    })
    expect(await system.store.batches.find(null)).toBeNull()
  },
)

test('a closed client refuses every call but close', async () => {
  const planned = await client.plan(films(1), options)
  await client.close()
  await client.close()
  const calls = [
    () => client.submit(films(1), options),
    () => client.plan(films(1), options),
    () => client.status(),
    () => client.status(1),
    () => client.wait(1),
    () => collected(client.results(1)),
    () => planned.release(),
    () => planned.drop(),
  ]
  for (const call of calls)
    await expect(call()).rejects.toMatchObject({ name: 'UsageError', message: expect.stringContaining('closed') })
})

test('answers of another API are not used for a batch, but can be read', async () => {
  await system.worker()
  await system.submit(['calm piano'])
  await client.wait('night', { timeoutMs: 40_000 })
  // Without TRACKYARD_API_URL, the API is the published one.
  await expect(client.submit([{ query: 'calm piano' }], options)).rejects.toThrow(ConfigurationError)
  expect((await client.status()).batches).toMatchObject([{ name: 'night', tagged: 1 }])
})

describe('Redis', () => {
  test('of another store is refused before anything is released', async () => {
    await system.redis.flush()
    await system.queue.registry.claimOwnership(randomUUID())
    await expect(client.submit(films(1), options)).rejects.toThrow(ConfigurationError)
    expect(await system.store.batches.find(null)).toBeNull()
  })

  test('that has lost everything still gets the batch', async () => {
    const planned = await client.plan(films(4), options)
    await system.redis.flush()
    await planned.release()
    expect((await system.queue.searches.counts()).waiting).toBe(4)
    expect(await system.queue.registry.owner()).toBe(system.store.id)
  })
})

import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { type BatchClient, type BatchOptions, openBatchClient } from '../../src/app/client.js'
import type { Priority } from '../../src/domain/states.js'
import { type InProcessSystem, startInProcess } from '../support/in-process-system.js'

let system: InProcessSystem
let client: BatchClient
beforeEach(async () => {
  system = await startInProcess()
  client = await openBatchClient({
    env: { TRACKYARD_DATA_DIR: system.dataDir, TRACKYARD_REDIS_URL: system.redis.url },
  })
})
afterEach(async () => {
  await client.close()
  await system.close()
})

/** Counts how often the rows are asked for. */
let reads = 0
const rows = {
  *[Symbol.iterator]() {
    reads += 1
    yield { query: 'calm' }
  },
}

test.each<[Partial<BatchOptions>, RegExp]>([
  // SQLite stores NaN as null, which means no cap.
  ...[Number.NaN, -1, 2.5, Number.POSITIVE_INFINITY].flatMap((cap): [Partial<BatchOptions>, RegExp][] => [
    [{ maxCredits: cap }, /most credits to be a whole number, 0 or more/],
    [{ first: cap }, /to try first to be a whole number, 1 or more/],
  ]),
  [{ maxAgeDays: -1 }, /age of reused answers to be 0 days or more, found -1/],
  [{ maxAgeDays: Number.NaN }, /found NaN/],
  [{ priority: 'urgent' as Priority }, /one of high, normal, low as the priority, found "urgent"/],
])('a script that passes %j is refused before its rows are read', async (options, message) => {
  reads = 0
  const refused = client.submit(rows, { name: 'spring', ...options })
  await expect(refused).rejects.toMatchObject({ name: 'UsageError', message: expect.stringMatching(message) })
  expect([reads, await system.store.batches.find(null)]).toEqual([0, null])
})

test('an age of 0.7 days is accepted and rounded to milliseconds', async () => {
  const { plan } = await client.submit(rows, { name: 'spring', maxAgeDays: 0.7 })
  expect(plan.creditsNeeded).toBe(1)
})

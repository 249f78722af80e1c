import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { openBatchClient } from '../../src/app/client.js'
import { loadBatch } from '../../src/batches/load-batch.js'
import { UsageError } from '../../src/domain/errors.js'
import type { Priority } from '../../src/domain/states.js'
import { batchNamed, type InProcessSystem, rowsOf, startInProcess } from '../support/in-process-system.js'

let system: InProcessSystem
beforeEach(async () => {
  system = await startInProcess()
})
afterEach(() => system.close())

const ordered = (changes: { maxAgeMs?: number; priority?: string }) =>
  loadBatch(
    system,
    { ...batchNamed('night'), ...changes, priority: (changes.priority ?? 'normal') as Priority },
    rowsOf(['a']),
  )

test('a cap that is not a whole number is refused: NaN would mean no cap', async () => {
  const batch = await ordered({})
  for (const maxCredits of [Number.NaN, -1, 2.5, Number.POSITIVE_INFINITY]) {
    await expect(batch.release({ maxCredits, first: null })).rejects.toThrow(UsageError)
    await expect(batch.release({ maxCredits: null, first: maxCredits })).rejects.toThrow(UsageError)
  }
  await batch.release({ maxCredits: 1, first: null })
  expect(await system.store.batches.find('night')).toMatchObject({ state: 'released', maxCredits: 1 })
})

test('a script that passes such a cap leaves no batch', async () => {
  const client = await openBatchClient({
    env: { TRACKYARD_DATA_DIR: system.dataDir, TRACKYARD_REDIS_URL: system.redis.url },
  })
  const rows = [{ query: 'calm' }]
  await expect(client.submit(rows, { name: 'spring', maxCredits: Number('ten') })).rejects.toThrow(
    /most credits.*whole number.*NaN/,
  )
  await client.close()
  expect(await system.store.batches.find('spring')).toBeNull()
})

test('a negative age and an unknown priority are refused', async () => {
  for (const maxAgeMs of [-1, Number.NaN]) await expect(ordered({ maxAgeMs })).rejects.toThrow(UsageError)
  await expect(ordered({ priority: 'urgent' })).rejects.toThrow(/high, normal, low, found "urgent"/)
  expect(await system.store.batches.find(null)).toBeNull()
})

test('an age of 0.7 days is accepted and rounded to milliseconds', async () => {
  const batch = await ordered({ maxAgeMs: 0.7 * 86_400_000 })
  expect(batch.plan.creditsNeeded).toBe(1)
  await batch.drop()
})

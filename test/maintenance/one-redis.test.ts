import { beforeEach, describe, expect, test } from '@jest/globals'
import { ConfigurationError, UnreachableError } from '../../src/domain/errors.js'
import { otherRedisInUse, requireSharedRedis, sharedRedisCheck } from '../../src/maintenance/one-redis.js'
import type { Store } from '../../src/store/store.js'
import { eachWithStore } from '../store/setup.js'
import { recordingLogger } from '../support/recording-logger.js'

let store: Store
let time: number
eachWithStore((opened) => {
  store = opened.store
})
beforeEach(() => {
  time = 1_000_000
})

const now = () => time
const worker = (name: string) => ({
  mayUse: sharedRedisCheck({ store, now, where: `Redis at redis://${name}/`, log: recordingLogger() }),
})

/** So many seconds in which these workers look every two seconds. */
async function pass(seconds: number, ...looks: (() => Promise<unknown>)[]): Promise<void> {
  for (let passed = 0; passed < seconds; passed += 2) {
    time += 2000
    for (const look of looks) await look()
  }
}

describe('workers of one store', () => {
  test('that use the same Redis may, however many', async () => {
    const [one, other] = [worker('a'), worker('a')]
    for (let turn = 0; turn < 30; turn += 1) {
      expect([await one.mayUse('first'), await other.mayUse('first')]).toEqual([true, true])
      time += 2000
    }
  })

  test.each([null, 'second'])('one with another Redis (%s) is refused while others live', async (id) => {
    const [one, other] = [worker('a'), worker('b')]
    await one.mayUse('first')
    expect(await other.mayUse(id)).toBe(false)
    const refused = pass(
      8,
      () => one.mayUse('first'),
      () => other.mayUse(id),
    )
    await expect(refused).rejects.toThrow(ConfigurationError)
    await expect(refused).rejects.toThrow(/use another Redis \(Redis at redis:\/\/a\/\) than this one .*redis:\/\/b\//)
    expect(await one.mayUse('first')).toBe(true)
  })

  test.each([null, 'second'])('one with another Redis (%s) may use it soon after the others have died', async (id) => {
    await worker('a').mayUse('first')
    const other = worker('b')
    expect(await other.mayUse(id)).toBe(false)
    await pass(16, () => other.mayUse(id))
    expect(await other.mayUse(id)).toBe(true)
  })

  test('fill a Redis that has lost its data at once, and all go on', async () => {
    const [one, other] = [worker('a'), worker('a')]
    for (const each of [one, other]) await each.mayUse('first')
    time += 1000
    expect([await one.mayUse(null), await one.mayUse('second')]).toEqual([true, true])
    expect([await other.mayUse('second'), await one.mayUse('second')]).toEqual([true, true])
    // One that starts meanwhile.
    expect(await worker('a').mayUse('second')).toBe(true)
  })

  test('fill two empty ones at once: one of them is refused', async () => {
    const [one, other] = [worker('a'), worker('b')]
    for (const each of [one, other]) expect(await each.mayUse(null)).toBe(true)
    expect([await one.mayUse('first'), await other.mayUse('second')]).toEqual([true, false])
    await expect(
      pass(
        8,
        () => one.mayUse('first'),
        () => other.mayUse('second'),
      ),
    ).rejects.toThrow(ConfigurationError)
  })

  test('one that was frozen, and finds another Redis in use, is refused', async () => {
    const [frozen, other] = [worker('a'), worker('b')]
    await frozen.mayUse('first')
    time += 60_000
    expect(await other.mayUse('second')).toBe(true)
    expect(await frozen.mayUse('first')).toBe(false)
    await expect(
      pass(
        8,
        () => other.mayUse('second'),
        () => frozen.mayUse('first'),
      ),
    ).rejects.toThrow(ConfigurationError)
  })

  test('a command is told which Redis they use, while they live', async () => {
    await requireSharedRedis({ store, now }, null, 'Redis at redis://b/')
    await worker('a').mayUse('first')
    await requireSharedRedis({ store, now }, 'first', 'Redis at redis://a/')
    const refused = requireSharedRedis({ store, now }, 'second', 'Redis at redis://b/')
    await expect(refused).rejects.toThrow(UnreachableError)
    await expect(refused).rejects.toThrow(/redis:\/\/b\/ is not what the workers .* use \(Redis at redis:\/\/a\/\)/)
    time += 16_000
    expect(await otherRedisInUse({ store, now }, 'second')).toBeNull()
  })
})

import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeEach, expect, test } from '@jest/globals'
import { startRedis, type TestRedis } from '../support/redis.js'
import { REFUSALS, recording } from './refusing-redis.js'
import { DONE, eventually, jobs, LOCKS, numberOf, opener, range } from './setup.js'

/** One after another, since what a queue costs meanwhile is measured for the whole process. */
let redis: TestRedis
const open = opener(() => redis)
beforeEach(async () => {
  redis = await startRedis()
})
afterEach(async () => {
  await open.closeAll()
  await redis.stop()
})

const WATCHED_MS = 2000

// BullMQ's check for stalled jobs rests so long after an error, and does not hear that it is closed.
afterAll(() => sleep(5000))

test.each(REFUSALS)(
  'a Redis that refuses with $name: busy workers write few lines, rest, and then run every job once',
  async ({ begin, end, events }) => {
    const { shown, log, raw } = recording()
    const queue = await open.queue({ log })
    const handled: number[] = []
    let letGo = (): void => {}
    const held = new Promise<void>((resolve) => {
      letGo = resolve
    })
    await open.work(
      queue,
      async ({ ref }) => {
        handled.push(numberOf(ref))
        if (handled.length > 3) await held
        return DONE
      },
      // The three that ended meanwhile come back when their locks have run out.
      { concurrency: 3, lockDurationMs: 2000 },
    )
    await queue.deadLetters.work({ ...LOCKS, retry: async () => {} })
    await queue.searches.add(jobs(range(1, 40)))
    await eventually('three wait for their turn to end', () => handled.length === 6)
    await begin(redis)
    letGo()
    await eventually('it is told', () => events.some((event) => shown.logged(event).length > 0))
    const cpu = process.cpuUsage()
    await sleep(WATCHED_MS)
    const { user, system } = process.cpuUsage(cpu)
    expect(shown.lines.length).toBeLessThan(10)
    // Unhindered, the two loops try some thousand times a second.
    expect(raw.lines.length).toBeLessThan(75)
    expect((user + system) / (WATCHED_MS * 1000)).toBeLessThan(0.25)
    await end(redis)
    await eventually('all is done', async () => handled.length >= 40 && (await isEmpty(queue)))
    await eventually('the end is told', () => shown.logged('redis.writes_resumed').length > 0)
    expect(new Set(handled).size).toBe(40)
    expect(shown.logged('redis.writes_resumed')).toHaveLength(1)
    expect(shown.lines.length).toBeLessThan(12)
  },
  240_000,
)

async function isEmpty(queue: { searches: { counts(): Promise<{ waiting: number; active: number }> } }) {
  const { waiting, active } = await queue.searches.counts()
  return waiting + active === 0
}

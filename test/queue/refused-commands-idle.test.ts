import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, expect, test } from '@jest/globals'
import { withRedis } from '../support/redis.js'
import { REFUSALS, recording } from './refusing-redis.js'
import { DONE, eventually, jobs, numberOf, opener } from './setup.js'

// BullMQ's check for stalled jobs rests so long after an error, and does not hear that it is closed.
afterAll(() => sleep(5000))

test.concurrent.each(REFUSALS)(
  'a Redis that refuses with $name: idle workers take a job within seconds of the end',
  ({ begin, end }) =>
    withRedis(async (redis) => {
      const open = opener(() => redis)
      try {
        const { shown, log } = recording()
        const queue = await open.queue({ log })
        const handled: number[] = []
        await open.work(queue, async ({ ref }) => {
          handled.push(numberOf(ref))
          return DONE
        })
        await sleep(500)
        await begin(redis)
        await sleep(3000)
        expect(shown.lines.length).toBeLessThan(10)
        await end(redis)
        await eventually(
          'it takes a job',
          async () => {
            await queue.searches.add(jobs([1])).catch(() => {})
            return handled.length === 1
          },
          60_000,
        )
      } finally {
        await open.closeAll()
      }
    }),
  240_000,
)

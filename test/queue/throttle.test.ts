import { describe, expect, test } from '@jest/globals'
import { DONE, eventually, jobs, numberOf, openerOnRedis, range, rateLimit } from './setup.js'

const { open, redis } = openerOnRedis()

const AS_IT_SHOULD_BE = { tooLongMs: 0, wasStale: false }
/** By about an hour. */
const TOO_LONG = { tooLongMs: expect.closeTo(3_600_000, -6), wasStale: true }

describe('a rate limit', () => {
  test('is only ever extended: a later, shorter one changes nothing', async () => {
    const { throttle } = await open.queue()
    await throttle.setRate(60_000)
    const long = Date.now() + 60_000
    await throttle.rateLimit(long)
    await throttle.rateLimit(Date.now() + 1000)
    expect(Math.abs(Number(await throttle.rateLimitedUntil()) - long)).toBeLessThan(20_000)
    const longer = Date.now() + 120_000
    await throttle.rateLimit(longer)
    expect(Math.abs(Number(await throttle.rateLimitedUntil()) - longer)).toBeLessThan(20_000)
  })

  test('that is over already stops nobody', async () => {
    const { throttle } = await open.queue()
    await throttle.rateLimit(Date.now() - 1)
    expect(await throttle.rateLimitedUntil()).toBeNull()
  })

  test('is told apart from the counter of the rate in the same key', async () => {
    const queue = await open.queue()
    await queue.throttle.setRate(1)
    await queue.searches.add(jobs([1, 2]))
    let started = 0
    await open.work(queue, async () => {
      started += 1
      return DONE
    })
    await eventually('the first job starts', () => started === 1)
    expect(await queue.boardQueues.search.getRateLimitTtl()).toBeGreaterThan(0)
    expect(await queue.throttle.rateLimitedUntil()).toBeNull()
    await queue.throttle.liftRateLimit()
    expect(await queue.boardQueues.search.getRateLimitTtl()).toBeGreaterThan(0)
  })

  test('never shortens the current window of the rate', async () => {
    const queue = await open.queue()
    await queue.throttle.setRate(1)
    await queue.searches.add(jobs([1]))
    let started = 0
    await open.work(queue, async () => {
      started += 1
      return DONE
    })
    await eventually('the first job starts', () => started === 1)
    await queue.throttle.rateLimit(Date.now() + 5000)
    expect(await queue.boardQueues.search.getRateLimitTtl()).toBeGreaterThan(5000)
  })

  test('stops every worker, and lifting it starts them again', async () => {
    const queue = await open.queue()
    await queue.throttle.setRate(60_000)
    await queue.throttle.rateLimit(Date.now() + 60_000)
    const started: number[] = []
    const handle = async (job: { ref: Parameters<typeof numberOf>[0] }) => {
      started.push(numberOf(job.ref))
      return DONE
    }
    await open.work(queue, handle, { concurrency: 5 })
    await open.work(await open.queue({ prefix: queue.prefix }), handle, { concurrency: 5 })
    await queue.searches.add(jobs(range(1, 20)))
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(started).toEqual([])
    await queue.throttle.liftRateLimit()
    expect(await queue.throttle.rateLimitedUntil()).toBeNull()
    await eventually('all start', () => started.length === 20)
  })

  test('survives a kill -9 of Redis', async () => {
    const { throttle } = await open.queue()
    const until = Date.now() + 60_000
    await throttle.rateLimit(until)
    await redis().kill()
    await redis().restart()
    expect(Math.abs(Number(await throttle.rateLimitedUntil()) - until)).toBeLessThan(20_000)
  })
})

describe('synchronizing the rate limit with the store', () => {
  test('one that the store lacks is lifted, and its delayed jobs run at once', async () => {
    const queue = await open.queue()
    await queue.throttle.setRate(60_000)
    await queue.searches.add(jobs([1]))
    let runs = 0
    await open.work(queue, async () => {
      runs += 1
      return runs > 1 ? DONE : rateLimit(Date.now() + 3_600_000)
    })
    await eventually('it is delayed', async () => (await queue.searches.counts()).delayed === 1)
    expect(await queue.throttle.syncRateLimit(null)).toEqual(TOO_LONG)
    expect(await queue.throttle.rateLimitedUntil()).toBeNull()
    await eventually('it runs again', () => runs === 2)
  })

  test('a longer one is shortened, a missing one is set, an equal one is kept', async () => {
    const at = Date.now()
    // It stands still: a command that is late on its way sets no longer hold than the next one asks for.
    const { throttle } = await open.queue({ clock: { now: () => at, monotonicMs: () => 0 } })
    const until = at + 600_000
    const apart = async () => Math.abs(Number(await throttle.rateLimitedUntil()) - until)
    expect(await throttle.syncRateLimit(until)).toEqual(AS_IT_SHOULD_BE)
    expect(await apart()).toBeLessThan(20_000)
    expect(await throttle.syncRateLimit(until)).toEqual(AS_IT_SHOULD_BE)
    await throttle.rateLimit(until + 3_600_000)
    expect(await throttle.syncRateLimit(until)).toEqual(TOO_LONG)
    expect(await apart()).toBeLessThan(20_000)
  })

  test('a window that a clock set back made an hour long is shortened', async () => {
    const queue = await open.queue()
    await queue.throttle.setRate(10)
    const limiter = queue.boardQueues.search.toKey('limiter')
    await redis().command('SET', limiter, '1', 'PX', '5000')
    expect(await queue.throttle.syncRateLimit(null)).toEqual(AS_IT_SHOULD_BE)
    await redis().command('SET', limiter, '1', 'PX', '3587365')
    expect(await queue.throttle.syncRateLimit(null)).toEqual(TOO_LONG)
    const left = await queue.boardQueues.search.getRateLimitTtl()
    expect(left).toBeLessThanOrEqual(6050)
  })

  test('the window of a slower rate ends with it, and is not stale', async () => {
    const queue = await open.queue()
    await queue.throttle.setRate(60_000)
    await redis().command('SET', queue.boardQueues.search.toKey('limiter'), '1', 'PX', '50000')
    expect(await queue.throttle.syncRateLimit(null)).toMatchObject({ wasStale: false })
    expect(await queue.boardQueues.search.getRateLimitTtl()).toBeLessThan(40_000)
  })
})

describe('the rate', () => {
  test('is read back as it was set, even where windows round it', async () => {
    const { throttle } = await open.queue()
    expect(await throttle.rate()).toBeNull()
    for (const callsPerMinute of [5, 7, 300, 900, 1300, 1_000_000]) {
      await throttle.setRate(callsPerMinute)
      expect(await throttle.rate()).toEqual({ callsPerMinute })
    }
  })

  test('set by another program is read as its effective rate', async () => {
    const { throttle, boardQueues } = await open.queue()
    await throttle.setRate(300)
    await boardQueues.search.setGlobalRateLimit(10, 1000)
    expect(await throttle.rate()).toEqual({ callsPerMinute: 600 })
  })

  test('spaces the starts of all workers together', async () => {
    const queue = await open.queue()
    await queue.throttle.setRate(1200)
    const startedAt: number[] = []
    const handle = async () => {
      startedAt.push(performance.now())
      return DONE
    }
    await open.work(queue, handle, { concurrency: 5 })
    await open.work(await open.queue({ prefix: queue.prefix }), handle, { concurrency: 5 })
    // The first may learn late that it has started, but not before this.
    const notBefore = performance.now()
    await queue.searches.add(jobs(range(1, 36)))
    await eventually('all 36 start', () => startedAt.length === 36)
    // Twelve in each of three windows of 0.6 s.
    expect(Number(startedAt.at(-1)) - notBefore).toBeGreaterThanOrEqual(2 * 600)
  })
})

describe('a probe', () => {
  test('runs one call at a time until serial mode ends', async () => {
    const queue = await open.queue()
    await queue.throttle.startSerial()
    expect(await queue.throttle.isSerial()).toBe(true)
    let inHand = 0
    let most = 0
    let done = 0
    let widened = false
    await open.work(
      queue,
      async () => {
        inHand += 1
        most = Math.max(most, inHand)
        if (widened) await eventually('two are in hand together', () => most > 1)
        else await new Promise((resolve) => setTimeout(resolve, 20))
        inHand -= 1
        done += 1
        return DONE
      },
      { concurrency: 5 },
    )
    await queue.searches.add(jobs(range(1, 6)))
    await eventually('six are done one by one', () => done === 6)
    expect(most).toBe(1)
    await queue.throttle.stopSerial()
    expect(await queue.throttle.isSerial()).toBe(false)
    widened = true
    await queue.searches.add(jobs(range(7, 16)))
    await eventually('ten more are done, some of them together', () => done === 16)
  })

  test('ends with the decision that ends it, before that job completes', async () => {
    const queue = await open.queue()
    await queue.throttle.startSerial()
    await open.work(queue, async () => ({ ...DONE, endedProbe: true }))
    await queue.searches.add(jobs([1]))
    await eventually('the probe has ended', async () => !(await queue.throttle.isSerial()))
  })
})

test('a pause survives a restart of Redis; resume wakes idle workers at once', async () => {
  const queue = await open.queue()
  const started: number[] = []
  await open.work(queue, async (job) => {
    started.push(numberOf(job.ref))
    return DONE
  })
  await queue.throttle.pause()
  await redis().restart()
  await eventually('the pause is still there', () => queue.throttle.isPaused())
  await queue.searches.add(jobs([1, 2, 3]))
  expect((await queue.searches.counts()).waiting).toBe(3)
  expect(started).toEqual([])
  await queue.throttle.resume()
  await eventually('all three run', () => started.length === 3)
  expect(await queue.throttle.isPaused()).toBe(false)
})

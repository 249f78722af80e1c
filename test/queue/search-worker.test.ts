import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from '@jest/globals'
import { DelayedError, type Job } from 'bullmq'
import { systemClock } from '../../src/domain/clock.js'
import type { JobDecision } from '../../src/domain/decision.js'
import { jobIdOf } from '../../src/domain/search-id.js'
import { finishJob, retryDelayMs } from '../../src/queue/search-worker.js'
import { recordingLogger } from '../support/recording-logger.js'
import {
  counted,
  DONE,
  deadLetter,
  defer,
  eventually,
  jobs,
  NO_AFTERMATH,
  numberOf,
  openerOnRedis,
  range,
  rateLimit,
  ref,
  retry,
} from './setup.js'

const { open, redis } = openerOnRedis()

/**
 * Runs `count` searches with `first` answered for the first run of some of them; the order in which runs began. A worker asks
 * again after a second at most: within a hold that is a little shorter it asks once, right when the hold begins.
 */
async function orderOfRuns(count: number, first: (n: number) => JobDecision | null, concurrency = 1) {
  const queue = await open.queue()
  await queue.throttle.setRate(1_000_000)
  await queue.searches.add(jobs(range(1, count)))
  const runs: { n: number; at: number; attempt: number }[] = []
  await open.work(
    queue,
    counted(queue, async ({ ref: search, attempt }) => {
      const n = numberOf(search)
      const isFirst = runs.every((run) => run.n !== n)
      runs.push({ n, at: Date.now(), attempt })
      return (isFirst ? first(n) : null) ?? DONE
    }),
    { concurrency },
  )
  return { queue, runs, order: () => runs.map((run) => run.n) }
}

describe('delay and rateLimit', () => {
  test('with a rate limit: no job starts before its end; it runs first', async () => {
    let until = 0
    const { runs, order } = await orderOfRuns(200, (n) => {
      if (n !== 1) return null
      until = Date.now() + 900
      return rateLimit(until)
    })
    await eventually('all are done', () => runs.length === 201)
    expect(order()).toEqual([1, 1, ...range(2, 200)])
    expect(runs[1]?.at).toBeGreaterThanOrEqual(until)
  })

  test('the rate limit ends after the delayed job is due', async () => {
    const queue = await open.queue()
    await queue.searches.add(jobs([1]))
    const job: Job | undefined = await queue.boardQueues.search.getJob(jobIdOf(ref(1)))
    if (job === undefined) throw new Error('the job is gone')
    const held: number[] = []
    const throttle = { ...queue.throttle, rateLimit: async (until: number) => void held.push(until) }
    const doors = { throttle, clock: systemClock, log: recordingLogger() }
    const until = Date.now() + 60_000
    await expect(finishJob(rateLimit(until), { job, token: '', requeued: false }, doors)).rejects.toThrow(DelayedError)
    expect(held).toHaveLength(1)
    expect(Number(held[0]) - until).toBeGreaterThanOrEqual(20)
  })

  test('with a rate limit: ten active jobs all return before the backlog', async () => {
    const { runs, order } = await orderOfRuns(2000, (n) => (n <= 10 ? rateLimit(Date.now() + 6000 + n) : null), 10)
    await eventually('all are done', () => runs.length === 2010)
    // Some of the others may have started before the first hold was set, none after it.
    const firstReturn = order().findIndex((n, index) => n <= 10 && order().indexOf(n) < index)
    expect(firstReturn).toBeLessThan(1000)
    expect(new Set(order().slice(firstReturn, firstReturn + 10))).toEqual(new Set(range(1, 10)))
  })

  test('without a rate limit: others continue, and it runs first when due', async () => {
    const queue = await open.queue()
    await queue.searches.add(jobs(range(1, 60)))
    const order: number[] = []
    const until = Date.now() + 60_000
    let dueAt = 0
    await open.work(queue, async ({ ref: search }) => {
      order.push(numberOf(search))
      if (order.length === 20) {
        // Made due at a moment of our own: by the clock it could be so before the others begin.
        const score = await redis().command('ZSCORE', `${queue.prefix}:search:delayed`, jobIdOf(ref(1)))
        // BullMQ keeps the instant in the upper bits.
        dueAt = Math.floor(Number(score.split('\r\n')[1]) / 0x1000)
        await (await queue.boardQueues.search.getJob(jobIdOf(ref(1))))?.changeDelay(1)
        await sleep(20)
      }
      return order.length > 1 ? DONE : { do: 'delay', until }
    })
    await eventually('all are done', () => order.length === 61)
    expect(Math.abs(dueAt - until)).toBeLessThan(20_000)
    const again = order.lastIndexOf(1)
    expect(again).toBeGreaterThan(1)
    expect(again).toBeLessThan(25)
  })

  test('uses no attempt, however often', async () => {
    const queue = await open.queue()
    await queue.searches.add(jobs([1]))
    const attempts: number[] = []
    await open.work(
      queue,
      counted(queue, async ({ attempt }) => {
        attempts.push(attempt)
        return attempts.length < 6 ? { do: 'delay', until: Date.now() + 5 } : DONE
      }),
    )
    await eventually('the sixth run', () => attempts.length === 6)
    expect(attempts).toEqual([1, 1, 1, 1, 1, 1])
  })

  test('runs before new searches of high priority', async () => {
    const queue = await open.queue()
    await queue.throttle.setRate(1_000_000)
    await queue.searches.add(jobs([1], 'low'))
    const order: number[] = []
    await open.work(queue, async ({ ref: search }) => {
      order.push(numberOf(search))
      if (order.length > 1) return DONE
      await queue.searches.add(jobs(range(2, 20), 'high'))
      return rateLimit(Date.now() + 900)
    })
    await eventually('all are done', () => order.length === 21)
    expect(order.slice(0, 3)).toEqual([1, 1, 2])
  })
})

describe('defer, and others behind', () => {
  test('runs after the others of its priority, with no attempt used', async () => {
    const queue = await open.queue()
    await queue.throttle.setRate(1_000_000)
    await queue.searches.add(jobs(range(1, 10)))
    await queue.searches.add(jobs(range(11, 20), 'low'))
    const seen: { n: number; attempt: number }[] = []
    const timesSeen = (n: number) => seen.filter((run) => run.n === n).length
    await open.work(
      queue,
      counted(queue, async ({ ref: search, attempt }) => {
        const n = numberOf(search)
        seen.push({ n, attempt })
        if (n === 1 && timesSeen(1) === 1) return rateLimit(Date.now() + 900)
        if (n === 1 && timesSeen(1) === 2) return defer(Date.now() + 1)
        // By the end of this one the first is due again: its millisecond has begun before.
        if (n === 2) await sleep(20)
        return DONE
      }),
      { concurrency: 1 },
    )
    await eventually('all are done', () => seen.length === 22)
    expect(seen.map(({ n }) => n)).toEqual([1, 1, ...range(2, 10), 1, ...range(11, 20)])
    expect(new Set(seen.map(({ attempt }) => attempt))).toEqual(new Set([1]))
  })

  test('with a pause: pauses the queue, and another job runs first after it', async () => {
    const queue = await open.queue()
    await queue.searches.add(jobs(range(1, 5)))
    const order: number[] = []
    await open.work(
      queue,
      async ({ ref: search }) => {
        const n = numberOf(search)
        order.push(n)
        if (n === 1 && order.length === 1)
          return { do: 'pause', cause: 'no_credits', detail: 'Out of credits', ...NO_AFTERMATH }
        return DONE
      },
      { concurrency: 1 },
    )
    await eventually('the queue is paused', () => queue.throttle.isPaused())
    await eventually('nothing is in hand', async () => (await queue.searches.counts()).active === 0)
    await queue.throttle.resume()
    await eventually('all are done', () => order.length === 6)
    expect(order).toEqual([1, 2, 3, 4, 5, 1])
  })

  test('with a rate limit: no job starts before its end; the others are first', async () => {
    let until = 0
    const { runs, order } = await orderOfRuns(20, (n) => {
      if (n !== 1) return null
      until = Date.now() + 900
      return rateLimit(until, true)
    })
    await eventually('all are done', () => runs.length === 21)
    expect(order()).toEqual([...range(1, 20), 1])
    expect(runs[1]?.at).toBeGreaterThanOrEqual(until)
  })
})

describe('requeue', () => {
  test('pauses the queue, requeues the job at its head, lets active jobs finish', async () => {
    const queue = await open.queue()
    await queue.searches.add(jobs(range(1, 50)))
    const order: number[] = []
    const attempts: number[] = []
    let finished = 0
    await open.work(
      queue,
      counted(queue, async ({ ref: search, attempt }) => {
        const n = numberOf(search)
        order.push(n)
        if (n === 3) attempts.push(attempt)
        if (n === 3 && attempts.length === 1) return { do: 'requeue' }
        await new Promise((resolve) => setTimeout(resolve, 30))
        finished += 1
        return DONE
      }),
      { concurrency: 5 },
    )
    await eventually('the queue is paused', () => queue.throttle.isPaused())
    await eventually('nothing is in hand', async () => (await queue.searches.counts()).active === 0)
    const before = order.length
    expect(finished).toBe(before - 1)
    expect((await queue.searches.counts()).waiting).toBe(50 - finished)
    await queue.throttle.resume()
    await eventually('all are done', () => finished === 50)
    expect(order[before]).toBe(3)
    expect(attempts).toEqual([1, 1])
  })
})

describe('retry', () => {
  test('waits for its delay, uses an attempt, and runs before the backlog', async () => {
    const queue = await open.queue()
    await queue.searches.add(jobs(range(1, 60)))
    const order: number[] = []
    const seen: { attempt: number; at: number }[] = []
    let failedAt = 0
    await open.work(
      queue,
      counted(queue, async ({ ref: search, attempt }) => {
        const n = numberOf(search)
        order.push(n)
        await new Promise((resolve) => setTimeout(resolve, 10))
        if (n !== 1) return DONE
        seen.push({ attempt, at: Date.now() })
        if (seen.length > 1) return DONE
        failedAt = Date.now()
        return retry(150)
      }),
    )
    await eventually('all are done', () => order.length === 61)
    expect(seen.map(({ attempt }) => attempt)).toEqual([1, 2])
    expect(Number(seen[1]?.at) - failedAt).toBeGreaterThanOrEqual(150)
    expect(order.lastIndexOf(1)).toBeLessThan(40)
  })

  test('a retry during an outage goes to the back of its own priority', async () => {
    const queue = await open.queue()
    await queue.throttle.setRate(1_000_000)
    await queue.searches.add(jobs(range(1, 10)))
    await queue.searches.add(jobs(range(11, 20), 'low'))
    const order: number[] = []
    await open.work(
      queue,
      async ({ ref: search }) => {
        const n = numberOf(search)
        order.push(n)
        const again = order.filter((other) => other === n).length
        if (n === 1 && again === 1) return rateLimit(Date.now() + 900)
        if (n === 1 && again === 2) return retry(1, { othersFail: true })
        // By the end of this one the first is due again: its millisecond has begun before.
        if (n === 2) await sleep(20)
        return DONE
      },
      { concurrency: 1 },
    )
    await eventually('all are done', () => order.length === 22)
    expect(order).toEqual([1, 1, ...range(2, 10), 1, ...range(11, 20)])
  })

  test('keeps its reason for Bull Board, and no stack trace', async () => {
    const queue = await open.queue()
    await queue.searches.add(jobs([1]))
    await open.work(queue, async () => retry(60_000))
    await eventually('it is delayed', async () => (await queue.searches.counts()).delayed === 1)
    const job = await queue.boardQueues.search.getJob(jobIdOf(ref(1)))
    expect(job).toMatchObject({ failedReason: 'the API answered 503', stacktrace: [], attemptsMade: 1 })
  })

  test('pauses the queue first during an outage', async () => {
    const queue = await open.queue()
    await queue.searches.add(jobs([1, 2]))
    await open.work(queue, async () => retry(60_000, { othersFail: true, tripped: 'failing' }))
    await eventually('it is delayed', async () => (await queue.searches.counts()).delayed === 1)
    expect(await queue.throttle.isPaused()).toBe(true)
    expect((await queue.searches.counts()).waiting).toBe(1)
  })

  test('the delay is a positive whole number for any error', () => {
    expect(retryDelayMs(new Error('not ours'))).toBe(5000)
    expect(retryDelayMs(undefined)).toBe(5000)
  })

  test.each([0, -5, 0.5, Number.NaN])('a delay of %p leaves the job neither stuck nor failed', async (delayMs) => {
    const queue = await open.queue()
    await queue.searches.add(jobs([1]))
    let runs = 0
    await open.work(queue, async () => {
      runs += 1
      return runs === 1 ? retry(delayMs) : DONE
    })
    if (Number.isNaN(delayMs)) {
      // For five seconds, which one look may miss: then it has run again.
      await eventually('it is delayed', async () => (await queue.searches.counts()).delayed === 1 || runs > 1)
    } else await eventually('it runs again', () => runs === 2)
  })
})

describe('deadLetter', () => {
  test('leaves the job in the failed set with its reason', async () => {
    const queue = await open.queue()
    await queue.searches.add(jobs([1, 2]))
    await open.work(queue, async ({ ref: search }) => deadLetter(`no ${numberOf(search)}`))
    await eventually('both have failed', async () => (await queue.searches.counts()).failed === 2)
    expect(await queue.searches.failed(10)).toEqual([
      { ref: ref(1), jobId: jobIdOf(ref(1)), failedReason: 'no 1', stalledTooOften: false },
      { ref: ref(2), jobId: jobIdOf(ref(2)), failedReason: 'no 2', stalledTooOften: false },
    ])
    expect(await queue.searches.failed(1)).toHaveLength(1)
    expect(await queue.throttle.isPaused()).toBe(false)
  })

  test('pauses the queue first when further calls would fail alike', async () => {
    const queue = await open.queue()
    await queue.searches.add(jobs(range(1, 20)))
    let runs = 0
    await open.work(queue, async () => {
      runs += 1
      return deadLetter('401 unauthorized', 'unauthorized')
    })
    await eventually('one is buried', async () => (await queue.searches.counts()).failed === 1)
    expect(await queue.throttle.isPaused()).toBe(true)
    expect(runs).toBe(1)
    expect((await queue.searches.counts()).waiting).toBe(19)
  })
})

test('a bug in the handler is logged, and the job runs again, no attempt used', async () => {
  const log = recordingLogger()
  const queue = await open.queue({ log })
  await queue.searches.add(jobs([1]))
  let runs = 0
  await open.work(queue, async () => {
    runs += 1
    throw new TypeError('undefined is not a function')
  })
  await eventually('it is delayed', async () => (await queue.searches.counts()).delayed === 1)
  expect((await queue.boardQueues.search.getJob(jobIdOf(ref(1))))?.attemptsMade).toBe(0)
  // One, unless so much time has passed that it came back.
  expect(log.lines.filter(({ level }) => level === 'error')).toHaveLength(runs)
})

test('a job that was added by hand fails with a reason and does not run', async () => {
  const queue = await open.queue()
  let runs = 0
  await open.work(queue, async () => {
    runs += 1
    return DONE
  })
  await queue.boardQueues.search.add('search', { query: 'sneaky' })
  await eventually('it has failed', async () => (await queue.searches.counts()).failed === 1)
  const [found] = await queue.searches.failed(1)
  expect(found).toMatchObject({ ref: null, stalledTooOften: false })
  expect(found?.failedReason).toContain('added by hand')
  expect(runs).toBe(0)
})

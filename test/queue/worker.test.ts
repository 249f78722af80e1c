import { describe, expect, test } from '@jest/globals'
import type { JobDecision } from '../../src/domain/decision.js'
import { jobIdOf } from '../../src/domain/search-id.js'
import type { SearchQueue } from '../../src/queue/search-queue.js'
import { recordingLogger } from '../support/recording-logger.js'
import { counted, DONE, deadLetter, eventually, jobs, LOCKS, numberOf, openerOnRedis, range, ref } from './setup.js'

const { open, redis } = openerOnRedis()

/** Looks often for jobs without a lock; a slow machine costs nobody a lock. */
const WATCHFUL = { lockDurationMs: 60_000, stalledIntervalMs: 100 }

/** A handler that keeps its job until `release`. */
function slowHandler(decision: JobDecision = DONE) {
  let release = () => {}
  const released = new Promise<void>((resolve) => {
    release = resolve
  })
  const started: number[] = []
  const handle = async ({ ref: search }: { ref: Parameters<typeof numberOf>[0] }) => {
    started.push(numberOf(search))
    await released
    return decision
  }
  open.onClose(async () => release())
  return { started, handle, release }
}

/** Takes one job and dies with it: its connections are cut, its lock runs out. */
async function dieWith(queue: SearchQueue & { prefix: string }, n: number): Promise<void> {
  const doomed = await open.queue({ prefix: queue.prefix, longestStallDelayMs: 1 })
  const { started, handle } = slowHandler()
  await open.work(doomed, handle, WATCHFUL)
  await eventually(`a worker that is about to die takes ${n}`, () => started.includes(n))
  await doomed.close()
  await redis().expireLocks()
}

describe('stopping', () => {
  test('takes no new job, waits for active jobs, and may be called twice', async () => {
    const queue = await open.queue()
    await queue.searches.add(jobs(range(1, 10)))
    const { started, handle, release } = slowHandler()
    const worker = await open.work(queue, handle, { concurrency: 3 })
    await eventually('three are in hand', () => worker.activeJobs() === 3)
    const stopped = worker.stop(40_000)
    expect(worker.stop(1)).toBe(stopped)
    release()
    expect(await stopped).toEqual({ unfinished: 0 })
    expect(started).toHaveLength(3)
    expect(await queue.searches.counts()).toEqual({ waiting: 7, active: 0, delayed: 0, failed: 0 })
    expect(worker.activeJobs()).toBe(0)
  })

  test('after the grace active jobs are requeued with no attempt and no stall', async () => {
    const queue = await open.queue()
    await queue.searches.add(jobs(range(1, 10)))
    const { handle } = slowHandler()
    const worker = await open.work(queue, handle, { concurrency: 2 })
    await eventually('two are in hand', () => worker.activeJobs() === 2)
    expect(await worker.stop(20)).toEqual({ unfinished: 2 })
    // A stop ends though Redis is slow: what it gives back may arrive after it.
    await eventually('both are back', async () => (await queue.searches.counts()).active === 0)
    expect(await queue.searches.counts()).toEqual({ waiting: 10, active: 0, delayed: 0, failed: 0 })
    const seen: { n: number; stalls: number; attempt: number }[] = []
    await open.work(
      queue,
      counted(queue, async ({ ref: search, ...rest }) => {
        seen.push({ n: numberOf(search), ...rest })
        return DONE
      }),
    )
    await eventually('another worker has done all', () => seen.length === 10)
    expect(new Set(seen.slice(0, 2).map(({ n }) => n))).toEqual(new Set([1, 2]))
    expect(seen.every(({ stalls, attempt }) => stalls === 0 && attempt === 1)).toBe(true)
  })

  test('a handler that ends after the grace does not touch the requeued job', async () => {
    const queue = await open.queue()
    await queue.searches.add(jobs([1]))
    const late = slowHandler(deadLetter('too late'))
    const worker = await open.work(queue, late.handle)
    await eventually('it is in hand', () => worker.activeJobs() === 1)
    await worker.stop(10)
    const next = slowHandler()
    const second = await open.work(queue, next.handle)
    await eventually('the other worker has it', () => second.activeJobs() === 1)
    late.release()
    await eventually('the late one is out of hand', () => worker.activeJobs() === 0)
    next.release()
    await second.stop(40_000)
    expect(await queue.searches.counts()).toEqual({ waiting: 0, active: 0, delayed: 0, failed: 0 })
  })
})

describe('a worker that died', () => {
  test('its job runs again elsewhere with its stall count and no attempt used', async () => {
    const queue = await open.queue()
    await queue.searches.add(jobs([1]))
    await dieWith(queue, 1)
    const seen: { stalls: number; attempt: number }[] = []
    await open.work(
      queue,
      counted(queue, async ({ stalls, attempt }) => {
        seen.push({ stalls, attempt })
        return DONE
      }),
      WATCHFUL,
    )
    await eventually('it runs again', () => seen.length === 1)
    expect(seen).toEqual([{ stalls: 1, attempt: 1 }])
  })

  test('twice: the job is delayed before it runs again, once per stall', async () => {
    const queue = await open.queue({ longestStallDelayMs: 300 })
    await queue.searches.add(jobs([1]))
    await dieWith(queue, 1)
    await dieWith(queue, 1)
    const stalls: number[] = []
    await open.work(
      queue,
      counted(queue, async (job) => {
        stalls.push(job.stalls)
        return stalls.length < 3 ? { do: 'delay', until: Date.now() + 1 } : DONE
      }),
      WATCHFUL,
    )
    await eventually('it has run three times', () => stalls.length === 3)
    expect(stalls).toEqual([2, 2, 2])
    const job = await queue.boardQueues.search.getJob(jobIdOf(ref(1)))
    expect(job?.data.restedAfterStalls).toBe(2)
    // Started by: two that died, one that put it to rest, three runs.
    expect(job?.attemptsStarted).toBe(6)
  })

  test('twice: the delay outlasts the open call that blocks the search', async () => {
    const queue = await open.queue({ longestStallDelayMs: 60_000 })
    await queue.searches.add(jobs([1]))
    await dieWith(queue, 1)
    await dieWith(queue, 1)
    const restsFrom = Date.now()
    await open.work(queue, async () => DONE, { ...WATCHFUL, openCallMaxAgeMs: 3_600_000 })
    await eventually('it rests', async () => (await queue.searches.counts()).delayed === 1)
    const score = await redis().command('ZSCORE', `${queue.prefix}:search:delayed`, jobIdOf(ref(1)))
    // BullMQ keeps the instant in the upper bits.
    const restsUntil = Number(score.split('\r\n')[1]) / 0x1000
    expect(restsUntil).toBeGreaterThanOrEqual(restsFrom + 3_600_000)
    expect(restsUntil).toBeLessThanOrEqual(Date.now() + 3_660_000)
  })

  test('more than five times: the job fails without a run, marked as stalled', async () => {
    const queue = await open.queue()
    await queue.searches.add(jobs([1]))
    for (let death = 0; death < 6; death += 1) await dieWith(queue, 1)
    let runs = 0
    await open.work(
      queue,
      async () => {
        runs += 1
        return DONE
      },
      WATCHFUL,
    )
    await eventually('it has failed', async () => (await queue.searches.counts()).failed === 1)
    expect(runs).toBe(0)
    expect(await queue.searches.failed(10)).toMatchObject([{ ref: ref(1), stalledTooOften: true }])
  })
})

test('a lost lock never ends the handler: its answer is paid for', async () => {
  const log = recordingLogger()
  const queue = await open.queue({ log })
  await queue.searches.add(jobs([1]))
  const { handle, release, started } = slowHandler()
  let finished = 0
  await open.work(
    queue,
    async (job) => {
      const decision = await handle(job)
      finished += 1
      return decision
    },
    { lockDurationMs: 400, stalledIntervalMs: 100 },
  )
  await eventually('it is in hand', () => started.length === 1)
  await redis().command('DEL', `${queue.prefix}:search:${jobIdOf(ref(1))}:lock`)
  await eventually('the loss is noticed', () => log.logged('job.lock_lost').length > 0)
  release()
  await eventually('the handler finishes', () => finished >= 1)
})

test('during an outage of Redis handlers continue, and no job runs twice', async () => {
  const queue = await open.queue()
  await queue.searches.add(jobs(range(1, 6)))
  const started: number[] = []
  const { handle, release } = slowHandler()
  const worker = await open.work(
    queue,
    async (job) => {
      started.push(numberOf(job.ref))
      return handle(job)
    },
    { concurrency: 3, lockDurationMs: 60_000, stalledIntervalMs: 500 },
  )
  await eventually('three are in hand', () => worker.activeJobs() === 3)
  await redis().kill()
  release()
  await redis().restart()
  await eventually('all are done', async () => {
    const { waiting, active } = await queue.searches.counts()
    return waiting + active === 0
  })
  expect([...started].sort()).toEqual([1, 2, 3, 4, 5, 6])
  expect((await queue.searches.counts()).failed).toBe(0)
})

test('after FLUSHALL active jobs end quietly, and new jobs run', async () => {
  const queue = await open.queue()
  await queue.searches.add(jobs([1, 2, 3]))
  const { handle, release, started } = slowHandler()
  const worker = await open.work(queue, handle, { concurrency: 2 })
  await eventually('two are in hand', () => worker.activeJobs() === 2)
  await redis().flush()
  release()
  await eventually('nothing is in hand', () => worker.activeJobs() === 0)
  await queue.searches.add(jobs([4]))
  await eventually('the new one runs', () => started.includes(4))
  expect(started).not.toContain(3)
})

describe('stopping while Redis is', () => {
  test.each(['killed', 'frozen'])('%s: ends within the grace, with and without an active job', async (how) => {
    const queue = await open.queue()
    await queue.searches.add(jobs([1]))
    const { handle } = slowHandler()
    const busy = await open.work(queue, handle)
    await eventually('one is in hand', () => busy.activeJobs() === 1)
    const idle = await open.work(queue, handle)
    const letters = await queue.deadLetters.work({ ...LOCKS, retry: async () => {} })
    if (how === 'killed') await redis().kill()
    else redis().freeze()
    try {
      const startedAt = performance.now()
      expect(await Promise.all([busy, idle, letters].map((worker) => worker.stop(200)))).toMatchObject([
        { unfinished: 1 },
        { unfinished: 0 },
        { unfinished: 0 },
      ])
      await queue.close()
      expect(performance.now() - startedAt).toBeLessThan(15_000)
    } finally {
      if (how === 'frozen') redis().thaw()
      await redis().restart()
    }
  })
})

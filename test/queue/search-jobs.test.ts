import { describe, expect, test } from '@jest/globals'
import { UnreachableError } from '../../src/domain/errors.js'
import { jobIdOf } from '../../src/domain/search-id.js'
import { DONE, deadLetter, eventually, jobs, numberOf, openerOnRedis, range, ref } from './setup.js'

const { open, redis } = openerOnRedis()

test('the same searches added twice are queued once', async () => {
  const { searches } = await open.queue()
  await searches.add(jobs(range(1, 2500)))
  await searches.add(jobs(range(2000, 3000)))
  expect(await searches.counts()).toEqual({ waiting: 3000, active: 0, delayed: 0, failed: 0 })
})

test('high before normal before low, and first in, first out within each', async () => {
  const queue = await open.queue()
  await queue.searches.add(jobs([1, 2], 'low'))
  await queue.searches.add(jobs([3, 4], 'normal'))
  await queue.searches.add(jobs([5, 6], 'high'))
  const order: number[] = []
  await open.work(queue, async (job) => {
    order.push(numberOf(job.ref))
    return DONE
  })
  await eventually('all have run', () => order.length === 6)
  expect(order).toEqual([5, 6, 3, 4, 1, 2])
})

describe('present', () => {
  test('finds jobs that will run or be moved, not those of other rounds', async () => {
    const queue = await open.queue()
    const { searches } = queue
    await searches.add(jobs([1, 2, 3]))
    const handled: number[] = []
    await open.work(
      queue,
      async (job) => {
        const n = numberOf(job.ref)
        handled.push(n)
        if (n === 1) return deadLetter('refused')
        if (n === 2) return { do: 'delay', until: Date.now() + 60_000 }
        if (n === 3) return DONE
        if (n === 4) await new Promise<void>((resolve) => open.onClose(async () => resolve()))
        return DONE
      },
      { concurrency: 1 },
    )
    await eventually('three were handled', () => handled.length === 3)
    await eventually('the third is completed', async () => (await searches.counts()).active === 0)
    await searches.add(jobs([4]))
    await eventually('the fourth is in hand', () => handled.includes(4))
    await searches.add(jobs([5]))
    const asked = [...range(1, 6).map((n) => ref(n)), ref(5, 2)]
    expect(await searches.present(asked)).toEqual(new Set([1, 2, 4, 5].map((n) => jobIdOf(ref(n)))))
  })

  test('finds jobs in the plain list, where stalled jobs wait', async () => {
    const { searches, boardQueues } = await open.queue()
    await boardQueues.search.add('search', {}, { jobId: jobIdOf(ref(9)) })
    expect(await searches.present([ref(9)])).toEqual(new Set([jobIdOf(ref(9))]))
  })

  test('answers for 20,000 at once, and for none', async () => {
    const { searches } = await open.queue()
    await searches.add(jobs(range(1, 10_000)))
    expect((await searches.present(range(5001, 25_000).map((n) => ref(n)))).size).toBe(5000)
    expect((await searches.present([])).size).toBe(0)
  })

  test('finds nothing after FLUSHALL', async () => {
    const { searches } = await open.queue()
    await searches.add(jobs([1, 2]))
    await redis().flush()
    expect((await searches.present([ref(1), ref(2)])).size).toBe(0)
    expect(await searches.failed(10)).toEqual([])
  })
})

test('a failed job is removed, unless somebody retried it meanwhile', async () => {
  const queue = await open.queue()
  await queue.searches.add(jobs([1, 2]))
  const worker = await open.work(queue, async () => deadLetter('refused'))
  await eventually('both failed', async () => (await queue.searches.counts()).failed === 2)
  await worker.stop(40_000)
  const second = await queue.boardQueues.search.getJob(jobIdOf(ref(2)))
  await second?.retry('failed')
  for (const n of [1, 2, 3]) await queue.searches.removeFailed(jobIdOf(ref(n)))
  expect(await queue.searches.counts()).toEqual({ waiting: 1, active: 0, delayed: 0, failed: 0 })
})

test('a failed job with evicted contents is listed and can be removed', async () => {
  const queue = await open.queue()
  await queue.searches.add(jobs([1]))
  const worker = await open.work(queue, async () => deadLetter('refused'))
  await eventually('it failed', async () => (await queue.searches.counts()).failed === 1)
  await worker.stop(40_000)
  await redis().command('DEL', queue.boardQueues.search.toKey(jobIdOf(ref(1))))
  expect(await queue.searches.failed(10)).toMatchObject([{ ref: ref(1), stalledTooOften: false }])
  await queue.searches.removeFailed(jobIdOf(ref(1)))
  expect(await queue.searches.failed(10)).toEqual([])
})

test('a full Redis is reported in one sentence; jobs added before remain', async () => {
  const { searches } = await open.queue()
  await searches.add(jobs([1]))
  await redis().command('CONFIG', 'SET', 'maxmemory', '1')
  try {
    const adding = searches.add(jobs(range(2, 10)))
    await expect(adding).rejects.toThrow(UnreachableError)
    await expect(adding).rejects.toThrow(/is full/)
  } finally {
    await redis().command('CONFIG', 'SET', 'maxmemory', '0')
  }
  expect((await searches.counts()).waiting).toBe(1)
})

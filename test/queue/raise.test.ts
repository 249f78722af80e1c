import { describe, expect, test } from '@jest/globals'
import { jobIdOf } from '../../src/domain/search-id.js'
import type { SearchQueue } from '../../src/queue/search-queue.js'
import { DONE, eventually, jobs, numberOf, openerOnRedis, range, ref } from './setup.js'

/** What is added again for a more urgent batch is moved forward, and nothing is ever moved back. */
const { open } = openerOnRedis()

/** Runs what is there one by one, to its end. */
async function orderOf(queue: SearchQueue, count: number): Promise<number[]> {
  const order: number[] = []
  await open.work(queue, async (job) => {
    order.push(numberOf(job.ref))
    return DONE
  })
  await eventually(`${count} have run`, () => order.length === count)
  return order
}

const priorityOf = async (queue: SearchQueue, n: number) =>
  (await queue.boardQueues.search.getJob(jobIdOf(ref(n))))?.priority

test('a job added again as more urgent moves to the end of that priority', async () => {
  const queue = await open.queue()
  await queue.searches.add(jobs(range(1, 6)))
  await queue.searches.add(jobs([7], 'high'))
  await queue.searches.add([...jobs([5, 3], 'high'), ...jobs([8], 'high')])
  expect(await queue.searches.counts()).toMatchObject({ waiting: 8 })
  expect([await priorityOf(queue, 5), await priorityOf(queue, 4)]).toEqual([10, 20])
  expect(await orderOf(queue, 8)).toEqual([7, 8, 5, 3, 1, 2, 4, 6])
})

test('a job added again with the same or a lower priority keeps its place', async () => {
  const queue = await open.queue()
  await queue.searches.add(jobs([1, 2, 3]))
  await queue.searches.add([...jobs([1], 'normal'), ...jobs([2], 'low')])
  expect(await orderOf(queue, 3)).toEqual([1, 2, 3])
})

describe('jobs outside the backlog are not moved', () => {
  test('a job delayed by a 429 still runs before everything else', async () => {
    const queue = await open.queue()
    await queue.searches.add(jobs([1]))
    const held = await open.work(queue, async () => ({ do: 'delay', until: Date.now() + 60_000 }))
    await eventually('it is delayed', async () => (await queue.searches.counts()).delayed === 1)
    await held.stop(40_000)
    await queue.searches.add(jobs([2, 1], 'high'))
    expect(await priorityOf(queue, 1)).toBe(1)
    await (await queue.boardQueues.search.getJob(jobIdOf(ref(1))))?.promote()
    expect(await orderOf(queue, 2)).toEqual([1, 2])
  })

  test('so does a job that was requeued at the head', async () => {
    const queue = await open.queue()
    await queue.searches.add(jobs([1]))
    const given = await open.work(queue, async () => ({ do: 'requeue' }))
    await eventually('it is given back', async () => {
      const { waiting, active } = await queue.searches.counts()
      return (await queue.throttle.isPaused()) && waiting === 1 && active === 0
    })
    await given.stop(40_000)
    await queue.searches.add(jobs([2, 1], 'high'))
    await queue.throttle.resume()
    expect(await orderOf(queue, 2)).toEqual([1, 2])
  })

  test('a stalled job stays at the head, where BullMQ puts it', async () => {
    const queue = await open.queue()
    await queue.searches.add(jobs([2], 'high'))
    await queue.boardQueues.search.add('search', {}, { jobId: jobIdOf(ref(1)) })
    await queue.searches.add(jobs([1], 'high'))
    expect(await orderOf(queue, 2)).toEqual([1, 2])
  })

  test('an active job keeps its priority, and a done one does not run again', async () => {
    const queue = await open.queue()
    await queue.searches.add(jobs([1]))
    const seen: number[] = []
    let release: (() => void) | undefined
    const worker = await open.work(queue, async (job) => {
      seen.push(numberOf(job.ref))
      await new Promise<void>((resolve) => {
        release = resolve
      })
      return DONE
    })
    await eventually('it is in hand', () => seen.length === 1)
    await queue.searches.add(jobs([1], 'high'))
    expect(await priorityOf(queue, 1)).toBe(20)
    release?.()
    await worker.stop(40_000)
    await queue.searches.add(jobs([1], 'high'))
    expect(await queue.searches.counts()).toEqual({ waiting: 0, active: 0, delayed: 0, failed: 0 })
  })
})

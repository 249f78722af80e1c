import { describe, expect, test } from '@jest/globals'
import type { DeadLetter } from '../../src/domain/dead-letter.js'
import { deadLetterIdOf } from '../../src/domain/search-id.js'
import type { QueueOptions } from '../../src/queue/search-queue.js'
import { eventually, LOCKS, numberOf, openerOnRedis, range, ref } from './setup.js'

const { open, redis } = openerOnRedis()

function letter(n: number, facts: Partial<DeadLetter> = {}) {
  return {
    ref: ref(n),
    letter: {
      search: ref(n).fingerprint,
      query: `query ${n}`,
      status: 403,
      error: 'Forbidden',
      code: null,
      message: 'This feature requires a paid plan',
      request_id: 'req_1',
      attempts: 1,
      items: 2,
      died_at: '2026-01-01T00:00:00.000Z',
      remedy: 'Check the tier.',
      maybe_paid: false,
      ...facts,
    },
  }
}

async function opened(options: Partial<QueueOptions> = {}) {
  const queue = await open.queue(options)
  const retried: number[] = []
  return {
    queue,
    retried,
    work: async (retry: (n: number) => Promise<void> = async () => {}) => {
      const worker = await queue.deadLetters.work({
        ...LOCKS,
        retry: async (search) => {
          retried.push(numberOf(search))
          await retry(numberOf(search))
        },
      })
      open.onClose(() => worker.stop(0))
      return worker
    },
    listed: (n: number) =>
      eventually(`${n} stand under Failed`, async () => (await queue.boardQueues.deadLetters.getFailedCount()) === n),
    job: async (n: number) => {
      const job = await queue.boardQueues.deadLetters.getJob(deadLetterIdOf(ref(n)))
      if (job === undefined) throw new Error(`letter ${n} is not there`)
      return job
    },
  }
}

test('a new dead letter is under Failed with reason and remedy, not retried', async () => {
  const { queue, retried, work, listed, job } = await opened()
  await work()
  await queue.deadLetters.add([letter(1), letter(2, { status: 400, code: 'invalid_parameters', error: 'bad bpm' })])
  await listed(2)
  expect((await job(1)).failedReason).toBe('403 Forbidden · This feature requires a paid plan · Check the tier.')
  expect((await job(2)).failedReason).toBe(
    '400 invalid_parameters · bad bpm · This feature requires a paid plan · Check the tier.',
  )
  expect((await job(1)).stacktrace).toEqual([(await job(1)).failedReason])
  expect(retried).toEqual([])
})

test('parking ignores the pause and the rate limit of the searches', async () => {
  const { queue, work, listed } = await opened()
  await queue.throttle.pause()
  await queue.throttle.setRate(1)
  await queue.throttle.rateLimit(Date.now() + 60_000)
  await work()
  await queue.deadLetters.add(range(1, 5).map((n) => letter(n)))
  await listed(5)
})

describe('Retry', () => {
  test.each([
    ['as Bull Board presses it', {}],
    ['with the attempts made reset', { resetAttemptsMade: true }],
    ['with the attempts started reset', { resetAttemptsStarted: true }],
    ['with all counters reset', { resetAttemptsMade: true, resetAttemptsStarted: true }],
  ])('%s: sends the letter back once, and it leaves the queue', async (_name, options) => {
    const { queue, retried, work, listed, job } = await opened()
    await work()
    await queue.deadLetters.add([letter(1)])
    await listed(1)
    await (await job(1)).retry('failed', options)
    await eventually('it has left', async () => (await queue.boardQueues.deadLetters.getJobCountByTypes()) === 0)
    expect(retried).toEqual([1])
    expect(await queue.boardQueues.deadLetters.getJob(deadLetterIdOf(ref(1)))).toBeUndefined()
  })

  test('works for all at once', async () => {
    const { queue, retried, work, listed } = await opened()
    await work()
    await queue.deadLetters.add(range(1, 20).map((n) => letter(n)))
    await listed(20)
    await queue.boardQueues.deadLetters.retryJobs({ state: 'failed' })
    await eventually('all have left', async () => (await queue.boardQueues.deadLetters.getJobCountByTypes()) === 0)
    expect([...retried].sort((a, b) => a - b)).toEqual(range(1, 20))
  })

  test('that fails shows why, and the dead letter can be retried again', async () => {
    const { queue, retried, work, listed, job } = await opened()
    let broken = true
    await work(async () => {
      if (broken) throw new Error('the store is locked')
    })
    await queue.deadLetters.add([letter(1)])
    await listed(1)
    await (await job(1)).retry('failed')
    await eventually('it was tried', async () => /store is locked/.test((await job(1)).failedReason ?? ''))
    broken = false
    await (await job(1)).retry('failed')
    await eventually('it has left', async () => (await queue.boardQueues.deadLetters.getJobCountByTypes()) === 0)
    expect(retried).toEqual([1, 1])
  })
})

describe('a worker that dies', () => {
  test('before parking: the next worker parks the dead letter, no retry', async () => {
    const first = await opened()
    const bull = first.queue.boardQueues.deadLetters
    await first.queue.deadLetters.add([letter(1)])
    // What such a worker leaves behind: the job among the active ones, counted as started, without a lock.
    await redis().command('LMOVE', bull.toKey('wait'), bull.toKey('active'), 'RIGHT', 'LEFT')
    await redis().command('HINCRBY', bull.toKey(deadLetterIdOf(ref(1))), 'ats', '1')
    await first.work()
    await first.listed(1)
    expect((await first.job(1)).stalledCounter).toBe(1)
    expect(first.retried).toEqual([])
  })

  test.each([[{}], [{ resetAttemptsMade: true, resetAttemptsStarted: true }]])(
    'in the middle of a retry (%j): the next one retries it',
    async (options) => {
      const doomed = await opened()
      let release = () => {}
      await doomed.work(
        () =>
          new Promise<void>((resolve) => {
            release = resolve
          }),
      )
      open.onClose(async () => release())
      await doomed.queue.deadLetters.add([letter(1)])
      await doomed.listed(1)
      await (await doomed.job(1)).retry('failed', options)
      await eventually('the retry is in hand', () => doomed.retried.length === 1)
      await doomed.queue.close()
      await redis().expireLocks()
      const next = await opened({ prefix: doomed.queue.prefix })
      await next.work()
      await eventually('it has left', async () => (await next.queue.boardQueues.deadLetters.getJobCountByTypes()) === 0)
      expect(next.retried).toEqual([1])
    },
  )
})

test('adding twice parks once; refs, count and remove agree', async () => {
  const { queue, work, listed } = await opened()
  const { deadLetters } = queue
  await deadLetters.add(range(1, 3).map((n) => letter(n)))
  expect(await queue.boardQueues.deadLetters.getJobCountByTypes()).toBe(3)
  await work()
  await listed(3)
  await deadLetters.add(range(1, 4).map((n) => letter(n)))
  await listed(4)
  const numbers = async () => new Set((await deadLetters.refs()).failed.map(numberOf))
  expect(await numbers()).toEqual(new Set([1, 2, 3, 4]))
  await deadLetters.remove([ref(1), ref(3), ref(99)])
  expect(await numbers()).toEqual(new Set([2, 4]))
  expect(await queue.boardQueues.deadLetters.getJobCountByTypes()).toBe(2)
})

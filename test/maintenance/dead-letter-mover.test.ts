import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { refuseEmptyFilter, retryOne } from '../../src/batches/retry.js'
import { RefusedError } from '../../src/domain/errors.js'
import { deadLetterIdOf, type SearchRef } from '../../src/domain/search-id.js'
import { moveFailed, syncDeadLetters } from '../../src/maintenance/dead-letter-mover.js'
import { feed } from '../../src/maintenance/feeder.js'
import type { RunningWorker } from '../../src/queue/running-worker.js'
import { deadLetter, LOCKS } from '../queue/setup.js'
import { type InProcessSystem, queries, refOf, startInProcess } from '../support/in-process-system.js'
import { until } from '../support/until.js'

/** From BullMQ's failed set to the parking queue and back, on a real Redis and a real store. */
let system: InProcessSystem
const working: RunningWorker[] = []
beforeEach(async () => {
  system = await startInProcess()
})
afterEach(async () => {
  for (const worker of working.splice(0)) await worker.stop(0)
  await system.close()
})

const failedJobs = async () => (await system.queue.searches.counts()).failed
/** A job that fails between the two looks of `refs` is in both. */
const listed = async () =>
  new Set(Object.values(await system.queue.deadLetters.refs()).flatMap((refs) => refs.map(deadLetterIdOf))).size
const dead = async () => (await system.store.reports.totals(system.now())).deadLetters

/** Every job fails for good with that reason. */
async function failAll(count: number, reason: string, before: () => Promise<unknown> = async () => {}): Promise<void> {
  await feed(system)
  working.push(
    await system.queue.searches.work({
      concurrency: 5,
      lockDurationMs: 60_000,
      openCallMaxAgeMs: 0,
      stalledIntervalMs: 1000,
      handle: async () => {
        await before()
        return deadLetter(reason)
      },
    }),
  )
  await until(async () => (await failedJobs()) === count, { timeoutMs: 120_000, what: `${count} failed jobs` })
}

const DEATH = {
  reason: 'refused',
  status: 400,
  error: 'Bad',
  code: 'invalid_parameters',
  message: null,
  requestId: null,
  remedy: 'Mend it.',
} as const
const markDead = (query: string, round = 1) =>
  system.store.deadLetters.recordCrashed(refOf(query, round), DEATH, system.now())

describe('the mover', () => {
  test('moves more than a page of dead letters, and empties the failed set', async () => {
    await system.submit(queries(230))
    for (const query of queries(230)) await markDead(query)
    await system.queue.searches.add(
      queries(230).map((query) => ({
        ref: refOf(query),
        priority: 'normal',
        data: { query, batch: 'night' },
      })),
    )
    await failAll(230, '400 · Bad')
    expect(await moveFailed(system)).toBe(230)
    expect([await failedJobs(), await listed()]).toEqual([0, 230])
    expect(await moveFailed(system)).toBe(0)
  }, 240_000)

  test('a job that stalled too often is dead as crashed, with the remedy', async () => {
    await system.submit(['poison'])
    await failAll(1, 'job stalled more than allowable limit')
    expect(await moveFailed(system)).toBe(1)
    expect(await system.store.deadLetters.get([refOf('poison')])).toMatchObject([{ letter: { code: 'crashed' } }])
  })

  test('a job that failed without an outcome is requeued, not lost', async () => {
    await system.submit(['a'])
    await failAll(1, 'TypeError: a fault of ours')
    expect(await moveFailed(system)).toBe(0)
    expect([await failedJobs(), await dead()]).toEqual([0, 0])
    expect(await feed(system)).toBe(1)
    expect(await system.queue.searches.present([refOf('a', 2)])).toHaveProperty('size', 1)
  })

  test('a job that was discarded meanwhile is only removed', async () => {
    await system.submit(['a'])
    await failAll(1, '400', async () => {
      await markDead('a')
      await system.store.deadLetters.discard({})
    })
    expect(await moveFailed(system)).toBe(0)
    expect([await failedJobs(), await listed(), await feed(system)]).toEqual([0, 0, 0])
  })

  test('a job that was added by hand is removed', async () => {
    await system.queue.boardQueues.search.add('search', {}, { jobId: 'mine' })
    await failAll(1, 'never seen')
    await moveFailed(system)
    expect(await failedJobs()).toBe(0)
  })

  test('several movers at once move each dead letter once', async () => {
    await system.submit(queries(40))
    await failAll(40, 'job stalled more than allowable limit')
    const others = await system.another()
    await Promise.all([moveFailed(system), moveFailed({ ...system, ...others })])
    expect([await failedJobs(), await listed(), await dead()]).toEqual([0, 40, 40])
  })
})

describe('the sync', () => {
  const sync = (shown = 5000) => syncDeadLetters(system, shown)
  const retry = async (ref: SearchRef) => void (await retryOne(system, ref))
  /** Puts what was added under *Failed*. */
  const showAll = async (count: number) => {
    working.push(await system.queue.deadLetters.work({ ...LOCKS, retry }))
    await until(async () => (await shownNow()).length === count, { timeoutMs: 120_000, what: `${count} shown` })
  }
  const shownNow = async () => (await system.queue.deadLetters.refs()).failed.map(({ fingerprint }) => fingerprint)
  const fingerprints = (...numbers: number[]) => numbers.map((n) => refOf(`scene ${n}`).fingerprint)

  test('adds what Redis lost, and removes what is not dead any more', async () => {
    await system.submit(queries(30))
    for (const query of queries(30)) await markDead(query)
    expect(await sync()).toEqual({ added: 30, removed: 0 })
    await showAll(30)
    expect(await sync()).toEqual({ added: 0, removed: 0 })
    await system.store.deadLetters.retryOne(refOf('scene 1'))
    await system.store.deadLetters.discard({ search: refOf('scene 2').fingerprint })
    await system.queue.deadLetters.remove([refOf('scene 3')])
    expect(await sync()).toEqual({ added: 1, removed: 2 })
    await system.redis.flush()
    expect(await sync()).toEqual({ added: 28, removed: 0 })
    expect(await listed()).toBe(28)
  })

  test('shows the newest; older ones follow when these are gone', async () => {
    await system.submit(queries(6))
    for (const query of queries(4)) await markDead(query)
    expect(await sync(3)).toEqual({ added: 3, removed: 0 })
    await showAll(3)
    for (const query of ['scene 5', 'scene 6']) await markDead(query)
    expect(await sync(3)).toEqual({ added: 2, removed: 2 })
    await until(async () => (await shownNow()).length === 3, { timeoutMs: 120_000, what: 'the newest' })
    expect(new Set(await shownNow())).toEqual(new Set(fingerprints(4, 5, 6)))
    await system.store.deadLetters.retryOne(refOf('scene 5'))
    expect(await sync(3)).toEqual({ added: 1, removed: 1 })
    expect(await dead()).toBe(5)
  })

  test('leaves one that somebody retries, even if it is not among the newest any more', async () => {
    await system.submit(queries(2))
    await markDead('scene 1')
    await sync(1)
    await showAll(1)
    for (const worker of working.splice(0)) await worker.stop(0)
    const job = await system.queue.boardQueues.deadLetters.getJob(deadLetterIdOf(refOf('scene 1')))
    await job?.retry('failed')
    await markDead('scene 2')
    expect(await sync(1)).toEqual({ added: 1, removed: 0 })
    working.push(await system.queue.deadLetters.work({ ...LOCKS, retry }))
    await until(async () => (await dead()) === 1, { timeoutMs: 120_000, what: 'the retry' })
    expect(await feed(system)).toBe(1)
  })

  test('more than a page', async () => {
    await system.submit(queries(1200))
    for (const query of queries(1200)) await markDead(query)
    expect(await sync()).toMatchObject({ added: 1200 })
    expect(await listed()).toBe(1200)
    // As many commits to a disk that may be busy.
  }, 240_000)
})

describe('retry', () => {
  test('raises the round once, and logs when there is nothing to retry', async () => {
    await system.submit(['a'])
    await markDead('a')
    expect(await retryOne(system, refOf('a'))).toBe(true)
    expect(await retryOne(system, refOf('a'))).toBe(false)
    expect(system.log.logged('dead_letter.retry_ignored')).toHaveLength(1)
    expect(await feed(system)).toBe(1)
  })

  test('costs one credit each, and counts how many may be paid for already', async () => {
    await system.submit(queries(3))
    await markDead('scene 1')
    const unreadable = { ...DEATH, reason: 'unreadable', status: 200 } as const
    await system.store.deadLetters.recordCrashed(refOf('scene 2'), unreadable, system.now())
    expect(await system.store.deadLetters.price({})).toEqual({ searches: 2, maybePaid: 1 })
    expect(await system.store.deadLetters.price({ status: 400 })).toEqual({ searches: 1, maybePaid: 0 })
  })

  test('all dead letters at once need `all`', () => {
    expect(() => refuseEmptyFilter({}, false, 'retry', '')).toThrow(RefusedError)
    expect(() => refuseEmptyFilter({}, true, 'retry', '')).not.toThrow()
    expect(() => refuseEmptyFilter({ status: 400 }, false, 'discard', '')).not.toThrow()
  })
})

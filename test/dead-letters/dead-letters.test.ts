import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { moveFailed } from '../../src/dead-letters/mover.js'
import { priceOf, refuseEmptyFilter, retryOne } from '../../src/dead-letters/redrive.js'
import { sweepDeadLetters } from '../../src/dead-letters/sweep.js'
import { RefusedError } from '../../src/domain/errors.js'
import type { Step } from '../../src/domain/step.js'
import { feed } from '../../src/feed/feeder.js'
import type { RunningWorker } from '../../src/queue/search-queue.js'
import { type Fleet, queries, refOf, startFleet } from '../support/fleet.js'
import { until } from '../support/until.js'

/** From BullMQ's failed set to the parking queue and back, on a real Redis and a real store. */
let fleet: Fleet
const working: RunningWorker[] = []
beforeEach(async () => {
  fleet = await startFleet()
})
afterEach(async () => {
  for (const worker of working.splice(0)) await worker.stop(0)
  await fleet.close()
})

const failedJobs = async () => (await fleet.queue.searches.counts()).failed
const parked = async () => (await fleet.queue.deadLetters.refs()).length
const dead = async () => (await fleet.store.reports.totals(fleet.now())).deadLetters

/** Every job fails for good with that reason. */
async function failAll(count: number, reason: string, before: () => Promise<unknown> = async () => {}): Promise<void> {
  await feed(fleet)
  const bury: Step = { do: 'bury', reason, pause: null }
  working.push(
    await fleet.queue.searches.work({
      concurrency: 5,
      lockDurationMs: 60_000,
      openCallMaxAgeMs: 0,
      stalledIntervalMs: 1000,
      onBuried: () => {},
      handle: async () => {
        await before()
        return bury
      },
    }),
  )
  await until(async () => (await failedJobs()) === count, { timeoutMs: 40_000, what: `${count} failed jobs` })
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
const bury = (query: string, round = 1) =>
  fleet.store.deadLetters.recordCrashed(refOf(query, round), DEATH, fleet.now())

describe('the mover', () => {
  test('parks what is dead, more than a page of it, and empties the failed set', async () => {
    await fleet.submit(queries(230))
    for (const query of queries(230)) await bury(query)
    await fleet.queue.searches.add(
      queries(230).map((query) => ({
        ref: refOf(query),
        priority: 'normal',
        data: { query, batch: 'night' },
      })),
    )
    await failAll(230, '400 · Bad')
    expect(await moveFailed(fleet)).toBe(230)
    expect([await failedJobs(), await parked()]).toEqual([0, 230])
    expect(await moveFailed(fleet)).toBe(0)
  }, 120_000)

  test('what BullMQ gave up on is dead as crashed, with the remedy', async () => {
    await fleet.submit(['poison'])
    await failAll(1, 'job stalled more than allowable limit')
    expect(await moveFailed(fleet)).toBe(1)
    expect(await fleet.store.deadLetters.get(refOf('poison'))).toMatchObject({ letter: { code: 'crashed' } })
  })

  test('a job that failed without a verdict is due again, not lost', async () => {
    await fleet.submit(['a'])
    await failAll(1, 'TypeError: a fault of ours')
    expect(await moveFailed(fleet)).toBe(0)
    expect([await failedJobs(), await dead()]).toEqual([0, 0])
    expect(await feed(fleet)).toBe(1)
    expect(await fleet.queue.searches.present([refOf('a', 2)])).toHaveProperty('size', 1)
  })

  test('one that was discarded meanwhile is only removed', async () => {
    await fleet.submit(['a'])
    await failAll(1, '400', async () => {
      await bury('a')
      await fleet.store.deadLetters.discardAll({})
    })
    expect(await moveFailed(fleet)).toBe(0)
    expect([await failedJobs(), await parked(), await feed(fleet)]).toEqual([0, 0, 0])
  })

  test('a job that somebody added by hand is removed', async () => {
    await fleet.queue.boardQueues.search.add('search', {}, { jobId: 'mine' })
    await failAll(1, 'never seen')
    await moveFailed(fleet)
    expect(await failedJobs()).toBe(0)
  })

  test('several movers at once park each letter once', async () => {
    await fleet.submit(queries(40))
    await failAll(40, 'job stalled more than allowable limit')
    const others = await fleet.another()
    await Promise.all([moveFailed(fleet), moveFailed({ ...fleet, ...others })])
    expect([await failedJobs(), await parked(), await dead()]).toEqual([0, 40, 40])
  })
})

describe('the sweep', () => {
  test('parks again what Redis lost, and takes away what is not dead any more', async () => {
    await fleet.submit(queries(30))
    for (const query of queries(30)) await bury(query)
    expect(await sweepDeadLetters(fleet)).toEqual({ parked: 30, removed: 0 })
    expect(await sweepDeadLetters(fleet)).toEqual({ parked: 0, removed: 0 })
    await fleet.store.deadLetters.retry(refOf('scene 1'))
    await fleet.store.deadLetters.discardAll({ search: refOf('scene 2').fingerprint })
    await fleet.queue.deadLetters.remove([refOf('scene 3')])
    expect(await sweepDeadLetters(fleet)).toEqual({ parked: 1, removed: 2 })
    await fleet.redis.flush()
    expect(await sweepDeadLetters(fleet)).toEqual({ parked: 28, removed: 0 })
    expect(await parked()).toBe(28)
  })

  test('more than a page', async () => {
    await fleet.submit(queries(1200))
    for (const query of queries(1200)) await bury(query)
    expect(await sweepDeadLetters(fleet)).toMatchObject({ parked: 1200 })
    expect(await parked()).toBe(1200)
    // As many commits to a disk that may be busy.
  }, 240_000)
})

describe('sending back', () => {
  test('a retry raises the round, once, and says when there was nothing to retry', async () => {
    await fleet.submit(['a'])
    await bury('a')
    expect(await retryOne(fleet, refOf('a'))).toBe(true)
    expect(await retryOne(fleet, refOf('a'))).toBe(false)
    expect(fleet.log.said(/not dead any more/)).toHaveLength(1)
    expect(await feed(fleet)).toBe(1)
  })

  test('costs one credit each, and says how many may be paid for already', async () => {
    await fleet.submit(queries(3))
    await bury('scene 1')
    const unreadable = { ...DEATH, reason: 'unreadable', status: 200 } as const
    await fleet.store.deadLetters.recordCrashed(refOf('scene 2'), unreadable, fleet.now())
    expect(await priceOf(fleet.store, {})).toEqual({ searches: 2, credits: 2, maybePaidAlready: 1 })
    expect(await priceOf(fleet.store, { status: 400 })).toEqual({ searches: 1, credits: 1, maybePaidAlready: 0 })
  })

  test('everything at once must be said', () => {
    expect(() => refuseEmptyFilter({}, false, 'retry')).toThrow(RefusedError)
    expect(() => refuseEmptyFilter({}, true, 'retry')).not.toThrow()
    expect(() => refuseEmptyFilter({ status: 400 }, false, 'discard')).not.toThrow()
  })
})

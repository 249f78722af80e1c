import { randomUUID } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { ConfigurationError } from '../../src/domain/errors.js'
import { jobIdOf, type SearchRef } from '../../src/domain/search-id.js'
import { feed, WINDOW_SIZE } from '../../src/maintenance/feeder.js'
import { sharedRedisCheck } from '../../src/maintenance/one-redis.js'
import { reconcile, withdrawUnwantedJobs } from '../../src/maintenance/reconciler.js'
import { recoverRedis, requireOwnRedis } from '../../src/maintenance/redis-recovery.js'
import { type InProcessSystem, queries, refOf, startInProcess } from '../support/in-process-system.js'
import { limitRate } from '../support/pauses.js'
import { until } from '../support/until.js'

let system: InProcessSystem
beforeEach(async () => {
  system = await startInProcess()
})
afterEach(() => system.close())

const later = () => system.now() + 60_000
const NOTHING = { requeued: 0, removed: 0 }
const waitingJobs = async () => (await system.queue.searches.counts()).waiting
const due = async () => (await system.store.reports.totals(system.now())).due

describe('the feeder', () => {
  test('queues what is due once, also with several feeders', async () => {
    await system.submit(queries(2500))
    const others = await system.another()
    const added = await Promise.all([feed(system), feed({ ...system, ...others })])
    expect(Math.max(...added)).toBeGreaterThan(0)
    await feed(system)
    expect(await waitingJobs()).toBe(2500)
    expect(await feed(system)).toBe(0)
  })

  test('queues no more for a capped batch than its budget can pay', async () => {
    await system.submit(queries(50), { maxCredits: 7 })
    expect(await feed(system)).toBe(7)
    expect(await waitingJobs()).toBe(7)
  })

  test('keeps to its window, and a higher priority still gets in', async () => {
    await system.submit(queries(WINDOW_SIZE + 500))
    expect(await feed(system)).toBe(WINDOW_SIZE)
    await system.submit(queries(300, 'urgent'), { name: 'urgent', priority: 'high' })
    await system.submit(queries(300, 'idle'), { name: 'idle', priority: 'low' })
    expect(await feed(system)).toBe(300)
    expect(await waitingJobs()).toBe(WINDOW_SIZE + 300)
  }, 240_000)

  test('after a crash between adding and marking, BullMQ ignores the same ids', async () => {
    await system.submit(queries(3))
    const room = { high: 10, normal: 10, low: 10 }
    const found = await system.store.feed.due(10, room)
    const data = { batch: 'night' }
    await system.queue.searches.add(
      found.map(({ ref, request }) => ({ ref, priority: 'normal', data: { query: request.query, ...data } })),
    )
    expect(await feed(system)).toBe(3)
    expect(await waitingJobs()).toBe(3)
  })
})

describe('missing jobs', () => {
  test('are requeued in a new round; the others are not touched', async () => {
    await system.submit(queries(20))
    await feed(system)
    await system.queue.searches.remove([refOf('scene 3'), refOf('scene 7')])
    expect(await reconcile({ ...system, now: later })).toEqual({ requeued: 2, removed: 0 })
    expect(await feed(system)).toBe(2)
    const present = await system.queue.searches.present([refOf('scene 3', 2), refOf('scene 7', 2), refOf('scene 4')])
    expect(present).toEqual(new Set([refOf('scene 3', 2), refOf('scene 7', 2), refOf('scene 4')].map(jobIdOf)))
  })

  test('nothing is requeued if Redis has all, or if it was queued just now', async () => {
    await system.submit(queries(20))
    const at = system.now()
    await feed({ ...system, now: () => at })
    expect(await reconcile({ ...system, now: later })).toEqual(NOTHING)
    await system.queue.searches.remove([refOf('scene 3')])
    expect(await reconcile({ ...system, now: () => at + 4000 })).toEqual(NOTHING)
  })
})

describe('a Redis that restarts from older data', () => {
  const job = (ref: SearchRef) => ({ ref, priority: 'high' as const, data: { query: '', batch: 'night' } })

  /** Jobs of searches that have been answered are in the queue again, before all others. */
  async function answeredBefore(words: readonly string[]): Promise<void> {
    await system.submit(words, { name: 'before' })
    const worker = await system.worker()
    const answered = async () => (await system.store.reports.totals(0)).callsByOutcome.answered
    await until(async () => (await answered()) === words.length, { timeoutMs: 120_000, what: 'the answers' })
    await worker.stop()
    const refs = words.map((word) => refOf(word))
    await system.queue.searches.remove(refs)
    await system.queue.searches.add(refs.map(job))
  }

  test('loses settled jobs and gets missing ones back, even if counts agree', async () => {
    await answeredBefore(queries(10, 'old'))
    await system.submit(queries(30))
    await feed(system)
    const missing = queries(12).map((query) => refOf(query))
    await system.queue.searches.remove(missing)
    await system.queue.searches.add([job(refOf('scene 20', 7)), job(refOf('nobody asked this'))])
    expect(await waitingJobs()).toBe(30)
    expect(await reconcile({ ...system, now: later })).toEqual({ requeued: 12, removed: 12 })
    expect(await waitingJobs()).toBe(18)
    expect(await feed(system)).toBe(12)
    expect((await system.queue.searches.present(queries(30).map((query) => refOf(query)))).size).toBe(18)
    expect(await reconcile({ ...system, now: later })).toEqual(NOTHING)
  })

  test('leaves alone unmarked new jobs and jobs of unknown origin', async () => {
    await system.submit(queries(5))
    await system.queue.searches.add(queries(5).map((query) => job(refOf(query))))
    await system.queue.searches.add([job(refOf('nobody asked this'))])
    await system.queue.boardQueues.search.add('search', { query: 'by hand' })
    expect(await reconcile({ ...system, now: later })).toEqual({ requeued: 0, removed: 1 })
    expect(await waitingJobs()).toBe(6)
  })

  test('is told apart from one whose jobs are settled at this moment', async () => {
    await answeredBefore(queries(3, 'old'))
    const { searches } = system.queue
    let looks = 0
    // What was answered after the first look has left before the second.
    const pending = async (limit?: number) => (limit === undefined && ++looks === 2 ? [] : searches.pending(limit))
    const meanwhile = { ...system, queue: { searches: { ...searches, pending } } }
    expect(await reconcile({ ...meanwhile, now: later })).toEqual(NOTHING)
    expect(looks).toBe(2)
    expect(await waitingJobs()).toBe(3)
  })

  test('is detected by the counts when the next jobs are in order', async () => {
    await system.submit(queries(1000))
    await feed(system)
    const behind = queries(1001, 'nobody asked').map((query) => ({ ...job(refOf(query)), priority: 'low' as const }))
    await system.queue.searches.add(behind)
    expect(await reconcile({ ...system, now: later })).toEqual({ requeued: 0, removed: 1001 })
  })

  test('wastes no starts: after 300 settled jobs the next call is immediate', async () => {
    await answeredBefore(queries(300, 'old'))
    await system.submit(['new'])
    const takenOut = () => system.log.logged('queue.settled_jobs_removed').length
    // The first worker may have said so of what it was answering just then.
    const before = takenOut()
    await system.worker({ TRACKYARD_RATE_LIMIT: '60' })
    const calls = async () => (await system.store.reports.totals(0)).callsByOutcome.answered
    await until(async () => (await calls()) === 301, { timeoutMs: 120_000, what: 'the call' })
    // It is said at the end of the round that took them out; the call may come before.
    await until(() => takenOut() > before, { timeoutMs: 120_000, what: 'the log to say so' })
    expect(takenOut() - before).toBe(1)
  }, 180_000)
})

describe('searches that no batch wants any more', () => {
  test('leave Redis when their batch is cancelled, if no other wants them', async () => {
    const wrong = await system.submit(queries(30))
    await system.submit(queries(35).slice(20), { name: 'other' })
    await feed(system)
    expect(await withdrawUnwantedJobs(system)).toBe(0)
    await system.store.batches.cancel(wrong, system.now())
    expect(await withdrawUnwantedJobs(system)).toBe(20)
    expect(await waitingJobs()).toBe(15)
    expect(await due()).toBe(15)
    expect(await feed(system)).toBe(0)
    expect(await reconcile({ ...system, now: later })).toEqual(NOTHING)
  })

  test('return when their catalog is submitted again', async () => {
    const wrong = await system.submit(queries(5))
    await feed(system)
    await system.store.batches.cancel(wrong, system.now())
    await withdrawUnwantedJobs(system)
    await system.submit(queries(5), { name: 'again' })
    expect(await feed(system)).toBe(5)
    expect(await waitingJobs()).toBe(5)
  })
})

describe('the Redis owner', () => {
  const parts = () => ({ ...system, setRate: () => system.queue.throttle.setRate(120) })

  test('a new Redis is claimed, and is ours from then on', async () => {
    expect(await recoverRedis(parts())).toBe('restored')
    expect(await recoverRedis(parts())).toBe('ours')
    expect(await system.queue.registry.owner()).toBe(system.store.id)
  })

  test('an emptied Redis gets back pauses, rate limit, rate, and every search', async () => {
    await recoverRedis(parts())
    await system.submit(queries(12))
    await feed(system)
    await system.store.pauses.add({ cause: 'outage', since: system.now(), detail: 'down' })
    await system.store.pauses.lift('outage', true, Date.now())
    await system.store.pauses.add({ cause: 'operator', since: system.now(), detail: '' })
    const until = system.now() + 90_000
    await limitRate(system.store, until, system.now())
    await system.redis.flush()
    expect(await recoverRedis(parts())).toBe('restored')
    const { throttle } = system.queue
    expect(await throttle.isPaused()).toBe(true)
    expect(await throttle.isSerial()).toBe(true)
    expect(await throttle.rate()).toEqual({ callsPerMinute: 120 })
    expect(Math.abs(((await throttle.rateLimitedUntil()) ?? 0) - until)).toBeLessThan(20_000)
    expect(await feed(system)).toBe(12)
    expect(await waitingJobs()).toBe(12)
  })

  test('commands take an emptied Redis for that of the workers as soon as one has filled it again', async () => {
    const mayUse = sharedRedisCheck({ ...system, where: 'Redis' })
    await recoverRedis({ ...parts(), mayUse })
    await recoverRedis({ ...parts(), mayUse })
    await system.redis.flush()
    await expect(requireOwnRedis(system)).rejects.toThrow('has just lost its data')
    expect(await recoverRedis({ ...parts(), mayUse })).toBe('restored')
    await requireOwnRedis(system)
  })

  test('the rate is set before any search is fed', async () => {
    const seen: (string | null)[] = []
    await recoverRedis({ ...system, setRate: async () => void seen.push(await system.queue.registry.owner()) })
    expect(seen).toEqual([null])
  })

  test("another store's Redis is refused, naming both", async () => {
    const other = randomUUID()
    await system.queue.registry.claimOwnership(other)
    await expect(recoverRedis(parts())).rejects.toThrow(ConfigurationError)
    await expect(recoverRedis(parts())).rejects.toThrow(new RegExp(`${other}.*${system.store.id}`, 's'))
    await expect(recoverRedis(parts())).rejects.toThrow(
      new RegExp(
        `^The store looks lost: .* still holds the searches of store ${other}.*To restore.*To continue without`,
        's',
      ),
    )
  })

  test('an empty Redis that another store takes first keeps the pause of that store', async () => {
    const other = randomUUID()
    const mayUse = async () => {
      await system.queue.registry.claimOwnership(other)
      await system.queue.throttle.pause()
      return true
    }
    await expect(recoverRedis({ ...parts(), mayUse })).rejects.toThrow(new RegExp(`searches of store ${other}`))
    expect(await system.queue.throttle.isPaused()).toBe(true)
  })

  test('while one process restores, another does not', async () => {
    const { queue } = await system.another()
    await queue.registry.lease('restore', 60_000)
    expect(await recoverRedis(parts())).toBe('elsewhere')
    await queue.registry.release('restore')
    expect(await recoverRedis(parts())).toBe('restored')
  })
})

import { randomUUID } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { ConfigurationError } from '../../src/domain/errors.js'
import { jobIdOf, type SearchRef } from '../../src/domain/search-id.js'
import { feed, WINDOW } from '../../src/maintenance/feeder.js'
import { reconcile } from '../../src/maintenance/reconciler.js'
import { recoverRedis } from '../../src/maintenance/redis-recovery.js'
import { withdraw } from '../../src/maintenance/withdraw.js'
import { type InProcessSystem, queries, refOf, startInProcess } from '../support/in-process-system.js'
import { until } from '../support/until.js'

let registry: InProcessSystem
beforeEach(async () => {
  registry = await startInProcess()
})
afterEach(() => registry.close())

const later = () => registry.now() + 60_000
const NOTHING = { putBack: 0, removed: 0 }
const waitingJobs = async () => (await registry.queue.searches.counts()).waiting
const due = async () => (await registry.store.reports.totals(registry.now())).due

describe('the feeder', () => {
  test('queues what is due once, also with several feeders', async () => {
    await registry.submit(queries(2500))
    const others = await registry.another()
    const added = await Promise.all([feed(registry), feed({ ...registry, ...others })])
    expect(Math.max(...added)).toBeGreaterThan(0)
    await feed(registry)
    expect(await waitingJobs()).toBe(2500)
    expect(await feed(registry)).toBe(0)
  })

  test('queues no more for a capped batch than its budget can pay', async () => {
    await registry.submit(queries(50), { maxCredits: 7 })
    expect(await feed(registry)).toBe(7)
    expect(await waitingJobs()).toBe(7)
  })

  test('keeps to its window, and a higher priority still gets in', async () => {
    await registry.submit(queries(WINDOW + 500))
    expect(await feed(registry)).toBe(WINDOW)
    await registry.submit(queries(300, 'urgent'), { name: 'urgent', priority: 'high' })
    await registry.submit(queries(300, 'idle'), { name: 'idle', priority: 'low' })
    expect(await feed(registry)).toBe(300)
    expect(await waitingJobs()).toBe(WINDOW + 300)
  }, 60_000)

  test('after a crash between adding and marking, BullMQ ignores the same ids', async () => {
    await registry.submit(queries(3))
    const room = { high: 10, normal: 10, low: 10 }
    const found = await registry.store.feed.due(10, room)
    const data = { batch: 'night' }
    await registry.queue.searches.add(
      found.map(({ ref, request }) => ({ ref, priority: 'normal', data: { query: request.query, ...data } })),
    )
    expect(await feed(registry)).toBe(3)
    expect(await waitingJobs()).toBe(3)
  })
})

describe('missing jobs', () => {
  test('are requeued in a new round; the others are not touched', async () => {
    await registry.submit(queries(20))
    await feed(registry)
    await registry.queue.searches.remove([refOf('scene 3'), refOf('scene 7')])
    expect(await reconcile({ ...registry, now: later })).toEqual({ putBack: 2, removed: 0 })
    expect(await feed(registry)).toBe(2)
    const present = await registry.queue.searches.present([refOf('scene 3', 2), refOf('scene 7', 2), refOf('scene 4')])
    expect(present).toEqual(new Set([refOf('scene 3', 2), refOf('scene 7', 2), refOf('scene 4')].map(jobIdOf)))
  })

  test('nothing is requeued if Redis has all, or if it was queued just now', async () => {
    await registry.submit(queries(20))
    const at = registry.now()
    await feed({ ...registry, now: () => at })
    expect(await reconcile({ ...registry, now: later })).toEqual(NOTHING)
    await registry.queue.searches.remove([refOf('scene 3')])
    expect(await reconcile({ ...registry, now: () => at + 4000 })).toEqual(NOTHING)
  })
})

describe('a Redis that restarts from older data', () => {
  const job = (ref: SearchRef) => ({ ref, priority: 'high' as const, data: { query: '', batch: 'night' } })

  /** Jobs of searches that have been answered are in the queue again, before all others. */
  async function answeredBefore(words: readonly string[]): Promise<void> {
    await registry.submit(words, { name: 'before' })
    const worker = await registry.worker()
    const answered = async () => (await registry.store.reports.totals(0)).callsByOutcome.answered
    await until(async () => (await answered()) === words.length, { timeoutMs: 50_000, what: 'the answers' })
    await worker.stop()
    const refs = words.map((word) => refOf(word))
    await registry.queue.searches.remove(refs)
    await registry.queue.searches.add(refs.map(job))
  }

  test('loses settled jobs and gets missing ones back, even if counts agree', async () => {
    await answeredBefore(queries(10, 'old'))
    await registry.submit(queries(30))
    await feed(registry)
    const missing = queries(12).map((query) => refOf(query))
    await registry.queue.searches.remove(missing)
    await registry.queue.searches.add([job(refOf('scene 20', 7)), job(refOf('nobody asked this'))])
    expect(await waitingJobs()).toBe(30)
    expect(await reconcile({ ...registry, now: later })).toEqual({ putBack: 12, removed: 12 })
    expect(await waitingJobs()).toBe(18)
    expect(await feed(registry)).toBe(12)
    expect((await registry.queue.searches.present(queries(30).map((query) => refOf(query)))).size).toBe(18)
    expect(await reconcile({ ...registry, now: later })).toEqual(NOTHING)
  })

  test('leaves alone unmarked new jobs and jobs of unknown origin', async () => {
    await registry.submit(queries(5))
    await registry.queue.searches.add(queries(5).map((query) => job(refOf(query))))
    await registry.queue.searches.add([job(refOf('nobody asked this'))])
    await registry.queue.boardQueues.search.add('search', { query: 'by hand' })
    expect(await reconcile({ ...registry, now: later })).toEqual({ putBack: 0, removed: 1 })
    expect(await waitingJobs()).toBe(6)
  })

  test('is told apart from one whose jobs are settled at this moment', async () => {
    await answeredBefore(queries(3, 'old'))
    const { searches } = registry.queue
    let looks = 0
    // What was answered after the first look has left before the second.
    const pending = async (limit?: number) => (limit === undefined && ++looks === 2 ? [] : searches.pending(limit))
    const meanwhile = { ...registry, queue: { searches: { ...searches, pending } } }
    expect(await reconcile({ ...meanwhile, now: later })).toEqual(NOTHING)
    expect(looks).toBe(2)
    expect(await waitingJobs()).toBe(3)
  })

  test('is detected by the counts when the next jobs are in order', async () => {
    await registry.submit(queries(1000))
    await feed(registry)
    const behind = queries(1001, 'nobody asked').map((query) => ({ ...job(refOf(query)), priority: 'low' as const }))
    await registry.queue.searches.add(behind)
    expect(await reconcile({ ...registry, now: later })).toEqual({ putBack: 0, removed: 1001 })
  })

  test('wastes no starts: after 300 settled jobs the next call is immediate', async () => {
    await answeredBefore(queries(300, 'old'))
    await registry.submit(['new'])
    const takenOut = () => registry.log.logged('queue.settled_jobs_removed').length
    // The first worker may have said so of what it was answering just then.
    const before = takenOut()
    await registry.worker({ TRACKYARD_RATE_LIMIT: '60' })
    const calls = async () => (await registry.store.reports.totals(0)).callsByOutcome.answered
    await until(async () => (await calls()) === 301, { timeoutMs: 60_000, what: 'the call' })
    // It is said at the end of the round that took them out; the call may come before.
    await until(() => takenOut() > before, { timeoutMs: 40_000, what: 'the log to say so' })
    expect(takenOut() - before).toBe(1)
  }, 180_000)
})

describe('searches that no batch wants any more', () => {
  test('leave Redis when their batch is cancelled, if no other wants them', async () => {
    const wrong = await registry.submit(queries(30))
    await registry.submit(queries(35).slice(20), { name: 'other' })
    await feed(registry)
    expect(await withdraw(registry)).toBe(0)
    await registry.store.batches.cancel(wrong, registry.now())
    expect(await withdraw(registry)).toBe(20)
    expect(await waitingJobs()).toBe(15)
    expect(await due()).toBe(15)
    expect(await feed(registry)).toBe(0)
    expect(await reconcile({ ...registry, now: later })).toEqual(NOTHING)
  })

  test('return when their catalog is submitted again', async () => {
    const wrong = await registry.submit(queries(5))
    await feed(registry)
    await registry.store.batches.cancel(wrong, registry.now())
    await withdraw(registry)
    await registry.submit(queries(5), { name: 'again' })
    expect(await feed(registry)).toBe(5)
    expect(await waitingJobs()).toBe(5)
  })
})

describe('the Redis owner', () => {
  const parts = () => ({ ...registry, setRate: () => registry.queue.throttle.setRate(120) })

  test('a new Redis is claimed, and is ours from then on', async () => {
    expect(await recoverRedis(parts())).toBe('restored')
    expect(await recoverRedis(parts())).toBe('ours')
    expect(await registry.queue.registry.owner()).toBe(registry.store.id)
  })

  test('an emptied Redis gets back pauses, rate limit, rate, and every search', async () => {
    await recoverRedis(parts())
    await registry.submit(queries(12))
    await feed(registry)
    await registry.store.pauses.add({ cause: 'outage', since: registry.now(), detail: 'down' })
    await registry.store.pauses.lift('outage', true)
    await registry.store.pauses.add({ cause: 'operator', since: registry.now(), detail: '' })
    const until = registry.now() + 90_000
    await registry.store.pauses.rateLimit(until, registry.now())
    await registry.redis.flush()
    expect(await recoverRedis(parts())).toBe('restored')
    const { throttle } = registry.queue
    expect(await throttle.isPaused()).toBe(true)
    expect(await throttle.isSerial()).toBe(true)
    expect(await throttle.rate()).toEqual({ callsPerMinute: 120 })
    expect(Math.abs(((await throttle.rateLimitedUntil()) ?? 0) - until)).toBeLessThan(20_000)
    expect(await feed(registry)).toBe(12)
    expect(await waitingJobs()).toBe(12)
  })

  test('the rate is set before any search is fed', async () => {
    const seen: (string | null)[] = []
    await recoverRedis({ ...registry, setRate: async () => void seen.push(await registry.queue.registry.owner()) })
    expect(seen).toEqual([null])
  })

  test("another store's Redis is refused, naming both", async () => {
    const other = randomUUID()
    await registry.queue.registry.claimOwnership(other)
    await expect(recoverRedis(parts())).rejects.toThrow(ConfigurationError)
    await expect(recoverRedis(parts())).rejects.toThrow(new RegExp(`${other}.*${registry.store.id}`, 's'))
    await expect(recoverRedis(parts())).rejects.toThrow(
      new RegExp(
        `^The store looks lost: .* still holds the searches of store ${other}.*To restore.*To go on without`,
        's',
      ),
    )
  })

  test('while one process restores, another does not', async () => {
    const { queue } = await registry.another()
    await queue.registry.lease('restore', 60_000)
    expect(await recoverRedis(parts())).toBe('elsewhere')
    await queue.registry.release('restore')
    expect(await recoverRedis(parts())).toBe('restored')
  })
})

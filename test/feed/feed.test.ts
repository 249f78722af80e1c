import { randomUUID } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { ConfigurationError } from '../../src/domain/errors.js'
import { jobIdOf, type SearchRef } from '../../src/domain/search-id.js'
import { checkEpoch } from '../../src/feed/epoch.js'
import { feed, WINDOW } from '../../src/feed/feeder.js'
import { reconcile } from '../../src/feed/reconcile.js'
import { withdraw } from '../../src/feed/withdraw.js'
import { type Fleet, queries, refOf, startFleet } from '../support/fleet.js'
import { until } from '../support/until.js'

let fleet: Fleet
beforeEach(async () => {
  fleet = await startFleet()
})
afterEach(() => fleet.close())

const later = () => fleet.now() + 60_000
const NOTHING = { putBack: 0, removed: 0 }
const waitingJobs = async () => (await fleet.queue.searches.counts()).waiting
const due = async () => (await fleet.store.reports.totals(fleet.now())).due

describe('the feeder', () => {
  test('queues what is due, once, however often and by however many it is run', async () => {
    await fleet.submit(queries(2500))
    const others = await fleet.another()
    const added = await Promise.all([feed(fleet), feed({ ...fleet, ...others })])
    expect(Math.max(...added)).toBeGreaterThan(0)
    await feed(fleet)
    expect(await waitingJobs()).toBe(2500)
    expect(await feed(fleet)).toBe(0)
  })

  test('queues no more for a capped batch than its budget can pay', async () => {
    await fleet.submit(queries(50), { maxCredits: 7 })
    expect(await feed(fleet)).toBe(7)
    expect(await waitingJobs()).toBe(7)
  })

  test('keeps to its window, and what is more urgent gets in all the same', async () => {
    await fleet.submit(queries(WINDOW + 500))
    expect(await feed(fleet)).toBe(WINDOW)
    await fleet.submit(queries(300, 'urgent'), { name: 'urgent', priority: 'high' })
    await fleet.submit(queries(300, 'idle'), { name: 'idle', priority: 'low' })
    expect(await feed(fleet)).toBe(300)
    expect(await waitingJobs()).toBe(WINDOW + 300)
  }, 60_000)

  test('after a crash between adding and marking, the same jobs are added again and swallowed', async () => {
    await fleet.submit(queries(3))
    const room = { high: 10, normal: 10, low: 10 }
    const found = await fleet.store.feed.due(10, room)
    const data = { batch: 'night' }
    await fleet.queue.searches.add(
      found.map(({ ref, request }) => ({ ref, priority: 'normal', data: { query: request.query, ...data } })),
    )
    expect(await feed(fleet)).toBe(3)
    expect(await waitingJobs()).toBe(3)
  })
})

describe('jobs that vanished', () => {
  test('are put back in a new round and queued again; the others are left alone', async () => {
    await fleet.submit(queries(20))
    await feed(fleet)
    await fleet.queue.searches.remove([refOf('scene 3'), refOf('scene 7')])
    expect(await reconcile({ ...fleet, now: later })).toEqual({ putBack: 2, removed: 0 })
    expect(await feed(fleet)).toBe(2)
    const present = await fleet.queue.searches.present([refOf('scene 3', 2), refOf('scene 7', 2), refOf('scene 4')])
    expect(present).toEqual(new Set([refOf('scene 3', 2), refOf('scene 7', 2), refOf('scene 4')].map(jobIdOf)))
  })

  test('nothing is put back while Redis has them all, nor what was queued a moment ago', async () => {
    await fleet.submit(queries(20))
    const at = fleet.now()
    await feed({ ...fleet, now: () => at })
    expect(await reconcile({ ...fleet, now: later })).toEqual(NOTHING)
    await fleet.queue.searches.remove([refOf('scene 3')])
    expect(await reconcile({ ...fleet, now: () => at + 4000 })).toEqual(NOTHING)
  })
})

describe('a Redis that comes back older than it was', () => {
  const job = (ref: SearchRef) => ({ ref, priority: 'high' as const, data: { query: '', batch: 'night' } })

  /** Jobs of searches that have been answered are in the queue again, before all others. */
  async function answeredBefore(words: readonly string[]): Promise<void> {
    await fleet.submit(words, { name: 'before' })
    const worker = await fleet.worker()
    const answered = async () => (await fleet.store.reports.totals(0)).callsByOutcome.answered
    await until(async () => (await answered()) === words.length, { timeoutMs: 50_000, what: 'the answers' })
    await worker.stop()
    const refs = words.map((word) => refOf(word))
    await fleet.queue.searches.remove(refs)
    await fleet.queue.searches.add(refs.map(job))
  }

  test('loses the jobs of what is settled since and has again what is missing, also where the counts agree', async () => {
    await answeredBefore(queries(10, 'old'))
    await fleet.submit(queries(30))
    await feed(fleet)
    const missing = queries(12).map((query) => refOf(query))
    await fleet.queue.searches.remove(missing)
    await fleet.queue.searches.add([job(refOf('scene 20', 7)), job(refOf('nobody asked this'))])
    expect(await waitingJobs()).toBe(30)
    expect(await reconcile({ ...fleet, now: later })).toEqual({ putBack: 12, removed: 12 })
    expect(await waitingJobs()).toBe(18)
    expect(await feed(fleet)).toBe(12)
    expect((await fleet.queue.searches.present(queries(30).map((query) => refOf(query)))).size).toBe(18)
    expect(await reconcile({ ...fleet, now: later })).toEqual(NOTHING)
  })

  test('leaves alone what was added and is not marked as queued yet, and what is no job of ours', async () => {
    await fleet.submit(queries(5))
    await fleet.queue.searches.add(queries(5).map((query) => job(refOf(query))))
    await fleet.queue.searches.add([job(refOf('nobody asked this'))])
    await fleet.queue.boardQueues.search.add('search', { query: 'by hand' })
    expect(await reconcile({ ...fleet, now: later })).toEqual({ putBack: 0, removed: 1 })
    expect(await waitingJobs()).toBe(6)
  })

  test('is not taken for one whose jobs get their verdict at this very moment', async () => {
    await answeredBefore(queries(3, 'old'))
    const { searches } = fleet.queue
    let looks = 0
    // What was answered after the first look has left before the second.
    const standing = async (limit?: number) => (limit === undefined && ++looks === 2 ? [] : searches.standing(limit))
    const meanwhile = { ...fleet, queue: { searches: { ...searches, standing } } }
    expect(await reconcile({ ...meanwhile, now: later })).toEqual(NOTHING)
    expect(looks).toBe(2)
    expect(await waitingJobs()).toBe(3)
  })

  test('is noticed by the counts where what comes next is in order', async () => {
    await fleet.submit(queries(1000))
    await feed(fleet)
    const behind = queries(1001, 'nobody asked').map((query) => ({ ...job(refOf(query)), priority: 'low' as const }))
    await fleet.queue.searches.add(behind)
    expect(await reconcile({ ...fleet, now: later })).toEqual({ putBack: 0, removed: 1001 })
  })

  test('costs no starts: at one a second, behind 300 answered ones, the next search is called at once', async () => {
    await answeredBefore(queries(300, 'old'))
    await fleet.submit(['new'])
    const takenOut = () => fleet.log.said(/searches that are settled; they are taken out/).length
    // The first worker may have said so of what it was answering just then.
    const before = takenOut()
    await fleet.worker({ TRACKYARD_RATE_LIMIT: '60' })
    const calls = async () => (await fleet.store.reports.totals(0)).callsByOutcome.answered
    await until(async () => (await calls()) === 301, { timeoutMs: 60_000, what: 'the call' })
    // It is said at the end of the round that took them out; the call may come before.
    await until(() => takenOut() > before, { timeoutMs: 40_000, what: 'the log to say so' })
    expect(takenOut() - before).toBe(1)
  }, 180_000)
})

describe('what nobody wants any more', () => {
  test('leaves Redis when its batch is cancelled, except what another batch wants', async () => {
    const wrong = await fleet.submit(queries(30))
    await fleet.submit(queries(35).slice(20), { name: 'other' })
    await feed(fleet)
    expect(await withdraw(fleet)).toBe(0)
    await fleet.store.batches.cancel(wrong, fleet.now())
    expect(await withdraw(fleet)).toBe(20)
    expect(await waitingJobs()).toBe(15)
    expect(await due()).toBe(15)
    expect(await feed(fleet)).toBe(0)
    expect(await reconcile({ ...fleet, now: later })).toEqual(NOTHING)
  })

  test('comes back when its catalog is submitted again', async () => {
    const wrong = await fleet.submit(queries(5))
    await feed(fleet)
    await fleet.store.batches.cancel(wrong, fleet.now())
    await withdraw(fleet)
    await fleet.submit(queries(5), { name: 'again' })
    expect(await feed(fleet)).toBe(5)
    expect(await waitingJobs()).toBe(5)
  })
})

describe('the epoch', () => {
  const parts = () => ({ ...fleet, setPace: () => fleet.queue.gate.setPace(120) })

  test('a new Redis is taken, and is ours from then on', async () => {
    expect(await checkEpoch(parts())).toBe('restored')
    expect(await checkEpoch(parts())).toBe('ours')
    expect(await fleet.queue.fleet.epoch()).toBe(fleet.store.id)
  })

  test('a Redis that lost everything gets back what closes the fleet, its pace, and every search in a new round', async () => {
    await checkEpoch(parts())
    await fleet.submit(queries(12))
    await feed(fleet)
    await fleet.store.pauses.add({ cause: 'outage', since: fleet.now(), detail: 'down' })
    await fleet.store.pauses.lift('outage', true)
    await fleet.store.pauses.add({ cause: 'operator', since: fleet.now(), detail: '' })
    const until = fleet.now() + 90_000
    await fleet.store.pauses.hold(until, fleet.now())
    await fleet.redis.flush()
    expect(await checkEpoch(parts())).toBe('restored')
    const { gate } = fleet.queue
    expect(await gate.paused()).toBe(true)
    expect(await gate.narrowed()).toBe(true)
    expect(await gate.pace()).toEqual({ callsPerMinute: 120 })
    expect(Math.abs(((await gate.heldUntil()) ?? 0) - until)).toBeLessThan(20_000)
    expect(await feed(fleet)).toBe(12)
    expect(await waitingJobs()).toBe(12)
  })

  test('the pace stands before anybody may feed', async () => {
    const seen: (string | null)[] = []
    await checkEpoch({ ...fleet, setPace: async () => void seen.push(await fleet.queue.fleet.epoch()) })
    expect(seen).toEqual([null])
  })

  test("another store's Redis is refused, naming both", async () => {
    const other = randomUUID()
    await fleet.queue.fleet.claimEpoch(other)
    await expect(checkEpoch(parts())).rejects.toThrow(ConfigurationError)
    await expect(checkEpoch(parts())).rejects.toThrow(new RegExp(`${other}.*${fleet.store.id}`, 's'))
    await expect(checkEpoch(parts())).rejects.toThrow(
      new RegExp(
        `^The store looks lost: .* still holds the searches of store ${other}.*To restore.*To go on without`,
        's',
      ),
    )
  })

  test('while one process restores, another leaves it alone', async () => {
    const { queue } = await fleet.another()
    await queue.fleet.lease('restore', 60_000)
    expect(await checkEpoch(parts())).toBe('elsewhere')
    await queue.fleet.release('restore')
    expect(await checkEpoch(parts())).toBe('restored')
  })
})

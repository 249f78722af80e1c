import { describe, expect, test } from '@jest/globals'
import { LostSearchError } from '../../src/store/close-call.js'
import type { SearchReport, Store } from '../../src/store/store.js'
import {
  charged,
  claim,
  close,
  counts,
  DEATH,
  ENDINGS,
  type Ending,
  eachWithStore,
  exported,
  facts,
  feedAll,
  granted,
  keyOf,
  loaded,
  refOf,
  release,
  released,
  settle,
  statuses,
} from './setup.js'

let store: Store
eachWithStore((opened) => {
  store = opened.store
})

async function search(query: string): Promise<SearchReport> {
  const found = await store.reports.show(refOf(query).fingerprint, null)
  if (found === null || !('calls' in found)) throw new Error(`expected the search "${query}", got ${found}`)
  return found
}

describe('a store that was restored while a call was on its way', () => {
  const lost = (query: string) => ({ id: 1, token: 4711, ref: refOf(query) })
  const end = (ending: Ending) => ({ ...ENDINGS[ending], detail: null, facts: facts(), now: 11_000 })

  test('has given its number to another call: each answer is kept with its own search, once', async () => {
    await released(store, ['a', 'b'])
    await feedAll(store)
    expect(await granted(store, 'a')).toBe(1)
    for (let time = 1; time <= 2; time += 1) await store.calls.close(lost('b'), end('answered'), 11_000)
    expect(await statuses(store, 1)).toEqual(['waiting', 'tagged'])
    await close(store, 1, 'noMatch')
    expect(await statuses(store, 1)).toEqual(['no_match', 'tagged'])
    expect((await store.reports.totals(0)).callsByOutcome).toMatchObject({ answered: 2, sent: 0, unknown: 0 })
    expect((await store.batches.find('1'))?.charged).toBe(2)
  })

  test('has another call for the same search in flight, which is then paid twice', async () => {
    await released(store, ['a'])
    await feedAll(store)
    const second = await granted(store, 'a')
    await store.calls.close(lost('a'), end('answered'), 11_000)
    await close(store, second, 'answered')
    expect(await statuses(store, 1)).toEqual(['tagged'])
    expect((await store.reports.totals(0)).callsByOutcome).toMatchObject({ answered: 1, unknown: 1, sent: 0 })
  })

  test('charges the batch that can pay, and ends no probe', async () => {
    const first = await released(store, ['a'])
    const second = await loaded(store, ['a', 'b'], { continues: first })
    await release(store, second, { maxCredits: 1 })
    await store.account.update({ creditsRemaining: 100 }, 5000)
    await store.pauses.add({ cause: 'outage', since: 5000, detail: 'HTTP 503' })
    await store.pauses.lift('outage', true, 6000)
    const { endedProbe } = await store.calls.close(lost('a'), end('answered'), 11_000)
    expect(endedProbe).toBe(false)
    expect([await charged(store, first), await charged(store, second)]).toEqual([0, 1])
    expect(await statuses(store, second)).toEqual(['tagged', 'withheld'])
    expect((await store.account.get()).creditsRemaining).toBe(99)
    expect((await store.reports.totals(0)).unknownUnseen).toBe(0)
  })

  test('has lost the search too: that is told with the reasons', async () => {
    const closing = store.calls.close(lost('nobody wants it'), end('answered'), 11_000)
    await expect(closing).rejects.toThrow(/neither call 1 nor a search .*: .* older backup, .* replica that lagged/)
    await expect(closing).rejects.toBeInstanceOf(LostSearchError)
  })
})

test('a pause for a refused key names the process that has it', async () => {
  await released(store, ['a'])
  await feedAll(store)
  const end = { ...ENDINGS.unauthorized, detail: null, facts: facts(), now: 11_000, worker: 'pid 7 on desk' }
  await store.calls.close(keyOf(store, await granted(store, 'a')), end, 11_000)
  expect(await store.pauses.list()).toMatchObject([
    { cause: 'unauthorized', detail: 'bad filters; the key of pid 7 on desk' },
  ])
})

describe('how each outcome leaves its search', () => {
  test.each<[Ending, string, number, Record<string, number>]>([
    ['answered', 'answered', 0, { tagged: 2 }],
    ['noMatch', 'answered', 0, { noMatch: 2 }],
    ['refused', 'dead', 0, { dead: 2 }],
    ['unauthorized', 'dead', 0, { dead: 2 }],
    ['unreadable', 'dead', 0, { dead: 2 }],
    ['usedUp', 'dead', 1, { dead: 2 }],
    ['failed', 'queued', 1, { waiting: 2 }],
    ['timedOut', 'queued', 1, { waiting: 2 }],
    ['rateLimited', 'queued', 0, { waiting: 2 }],
    ['outOfCredits', 'queued', 0, { waiting: 2 }],
    ['limitedAlone', 'queued', 0, { waiting: 2 }],
    ['unpaidAlone', 'queued', 0, { waiting: 2 }],
  ])('%s: %s, %s attempts used', async (ending, state, failures, expected) => {
    const id = await released(store, ['a', 'a'])
    await feedAll(store)
    await settle(store, 'a', ending)
    expect(await search('a')).toMatchObject({ state, failures, ref: { round: 1 } })
    expect(await counts(store, id)).toEqual({ items: 2, ...expected })
  })

  test('pause and rate limit are written with the outcome', async () => {
    await released(store, ['a', 'b', 'c'])
    await settle(store, 'a', 'rateLimited')
    expect(await store.pauses.rateLimitedUntil(69_999)).toBe(70_000)
    const [other, last] = [await granted(store, 'b', { now: 70_000 }), await granted(store, 'c', { now: 70_000 })]
    await close(store, other, 'outOfCredits')
    await close(store, last, 'unauthorized')
    expect((await store.pauses.list()).map((pause) => pause.cause).sort()).toEqual(['no_credits', 'unauthorized'])
  })

  test('the export shows the answer, and the reason of a death', async () => {
    const id = await released(store, ['a', 'b', 'c'])
    await settle(store, 'a', 'answered')
    await settle(store, 'b', 'refused')
    expect((await exported(store, id)).map((row) => [row.answer, row.error])).toEqual([
      ['{"tracks":[1]}', null],
      [null, 'bad filters'],
      [null, null],
    ])
  })

  test('an unreadable answer is kept and shown, and stays when a readable one is bought', async () => {
    await released(store, ['a'])
    await settle(store, 'a', 'unreadable')
    expect((await search('a')).answer).toBe('<html>')
    await store.deadLetters.retryOne(refOf('a'))
    await settle(store, 'a', 'answered', 2)
    expect((await search('a')).answer).toBe('{"tracks":[1]}')
  })
})

describe('closing twice', () => {
  test.each<Ending>(['answered', 'refused', 'failed', 'rateLimited'])(
    '%s changes nothing the second time',
    async (ending) => {
      const id = await released(store, ['a'])
      await feedAll(store)
      const call = await granted(store, 'a')
      await store.account.update({ creditsRemaining: 100 }, 1)
      const first = await close(store, call, ending)
      const before = [await counts(store, id), await charged(store, id), await store.account.get(), await search('a')]
      expect(await close(store, call, ending)).toEqual(first)
      expect([await counts(store, id), await charged(store, id), await store.account.get(), await search('a')]).toEqual(
        before,
      )
    },
  )
})

describe('outcomes that come late', () => {
  test('a late answer is kept, and its call gets its true outcome', async () => {
    const id = await released(store, ['a'])
    const call = await granted(store, 'a', { now: 10_000 })
    expect(await store.calls.expire(10_001)).toBe(1)
    expect((await store.reports.totals(1)).unknownOutcomes).toBe(1)
    await close(store, call, 'answered')
    expect((await store.reports.totals(1)).unknownOutcomes).toBe(0)
    expect(await counts(store, id)).toEqual({ items: 1, tagged: 1 })
    expect(await charged(store, id)).toBe(1)
  })

  test('an outcome that is saved late completes a batch when it is saved, not before the batch was made', async () => {
    await released(store, ['a'])
    const call = await granted(store, 'a')
    const later = await released(store, ['a'], {}, { createdAt: 50_000 })
    await close(store, call, 'answered', { now: 11_000, savedAt: 60_000 })
    expect((await store.batches.find(String(later)))?.completedAt).toBe(60_000)
  })

  test('a late answer to a call that was seen as unknown hides no later one', async () => {
    await released(store, ['a', 'b', 'c'])
    const late = await granted(store, 'a', { now: 10_000 })
    await store.calls.expire(10_001)
    await store.calls.seeUnknown(1)
    await close(store, late, 'answered')
    expect(await store.reports.unknownCounts()).toEqual({ all: 0, unseen: 0 })
    await settle(store, 'b', 'timedOut')
    expect(await store.reports.unknownCounts()).toEqual({ all: 1, unseen: 1 })
    await store.calls.seeUnknown(1)
    await settle(store, 'c', 'timedOut')
    expect(await store.reports.unknownCounts()).toEqual({ all: 2, unseen: 1 })
  })

  test('a second answer is listed among the calls that cost a credit in vain', async () => {
    const id = await released(store, ['a'])
    const late = await granted(store, 'a', { now: 10_000 })
    const second = await granted(store, 'a', { now: 40_000 })
    await close(store, second, 'noMatch')
    await close(store, late, 'answered')
    expect(await counts(store, id)).toEqual({ items: 1, noMatch: 1 })
    expect(await store.reports.totals(1)).toMatchObject({ spent: 1, unknownOutcomes: 1 })
    const [listed] = await store.reports.unknownOutcomes(10)
    expect(listed?.call.detail).toMatch(/paid for twice/)
  })

  test('a timeout after another answer is unknown, not a known second payment', async () => {
    const id = await released(store, ['a'])
    const late = await granted(store, 'a', { now: 10_000 })
    const second = await granted(store, 'a', { now: 40_000 })
    await close(store, second, 'answered')
    await close(store, late, 'timedOut', { detail: 'no answer within 20 s' })
    expect(await counts(store, id)).toEqual({ items: 1, tagged: 1 })
    const listed = await store.reports.unknownOutcomes(10)
    expect(listed.map(({ call }) => call.detail)).toEqual(['no answer within 20 s'])
  })

  test('an answer takes a dead letter off the list, also a discarded one', async () => {
    const id = await released(store, ['a', 'b'])
    const calls = [await granted(store, 'a'), await granted(store, 'b')]
    for (const query of ['a', 'b']) await store.deadLetters.recordCrashed(refOf(query), DEATH, 50)
    await store.deadLetters.discard({ search: refOf('b').fingerprint })
    expect(await counts(store, id)).toEqual({ items: 2, dead: 2 })
    for (const call of calls) await close(store, call, 'answered')
    expect(await store.deadLetters.count({})).toBe(0)
    expect(await counts(store, id)).toEqual({ items: 2, tagged: 2 })
    expect((await search('a')).death).toBeNull()
  })

  test('an answer tags the items of a cancelled batch', async () => {
    const id = await released(store, ['a', 'b'])
    const call = await granted(store, 'a')
    await store.batches.cancel(id, 5)
    await close(store, call, 'answered')
    expect(await counts(store, id)).toEqual({ items: 2, tagged: 1, cancelled: 1 })
  })

  test('only a failure in this round uses an attempt; a refusal always counts', async () => {
    await released(store, ['a', 'b', 'c'])
    await feedAll(store)
    const [failed, usedUp, refused] = [await granted(store, 'a'), await granted(store, 'b'), await granted(store, 'c')]
    await store.feed.requeueAll()
    await close(store, failed, 'failed')
    await close(store, usedUp, 'usedUp')
    await close(store, refused, 'refused')
    expect(await search('a')).toMatchObject({ state: 'waiting', failures: 0 })
    expect(await search('b')).toMatchObject({ state: 'waiting', failures: 0 })
    expect(await search('c')).toMatchObject({ state: 'dead', ref: { round: 2 } })
  })
})

describe('the probe', () => {
  test('ends with the first answer, and its call learns that', async () => {
    await released(store, ['a', 'b', 'c'])
    await store.pauses.add({ cause: 'no_credits', since: 1, detail: '' })
    await store.pauses.lift('no_credits', true, Date.now())
    expect(await claim(store, 'a')).toMatchObject({ kind: 'granted', probing: true })
    const [failing, answering] = [await granted(store, 'b'), await granted(store, 'c')]
    expect(await close(store, failing, 'failed')).toMatchObject({ endedProbe: false })
    expect(await store.pauses.probing()).toBe(true)
    expect(await close(store, answering, 'answered')).toMatchObject({ endedProbe: true })
    expect(await store.pauses.probing()).toBe(false)
  })

  test('is not ended by an answer to an earlier call, however late that is saved', async () => {
    await released(store, ['a', 'b'])
    const earlier = await granted(store, 'a')
    await store.pauses.add({ cause: 'outage', since: 12_000, detail: '' })
    await store.pauses.lift('outage', true, 13_000)
    expect(await close(store, earlier, 'answered', { savedAt: 14_000 })).toEqual({ endedProbe: false })
    expect([await store.pauses.probing(), await store.pauses.outageFrom()]).toEqual([true, 12_000])
    expect(await close(store, await granted(store, 'b'), 'answered')).toEqual({ endedProbe: true })
  })
})

describe('the balance', () => {
  const balance = async (): Promise<number | null> => (await store.account.get()).creditsRemaining

  test('takes the lowest of what answers say, though they overtake each other', async () => {
    await released(store, ['a', 'b', 'c', 'd'])
    const calls = await Promise.all(['a', 'b', 'c', 'd'].map((query) => granted(store, query)))
    const said = [98, 99, null, 50]
    const known: (number | null)[] = []
    for (const [index, call] of calls.entries()) {
      await close(store, call, 'answered', { creditsRemaining: said[index] ?? null })
      known.push(await balance())
    }
    expect(known).toEqual([98, 98, 97, 50])
  })

  test('a call that cost nothing takes none away, and GET /me is believed as it is', async () => {
    await released(store, ['a', 'b'])
    await store.account.update({ creditsRemaining: 10, tier: 'pro' }, 5)
    const call = await granted(store, 'a')
    await close(store, call, 'rateLimited', { creditsRemaining: 10 })
    expect(await balance()).toBe(10)
    await store.account.update({ creditsRemaining: 500 }, 20_000)
    expect(await store.account.get()).toMatchObject({ creditsRemaining: 500, tier: 'pro', heardAt: 20_000 })
  })

  test('that GET /me reports does not give back what calls took since it was sent', async () => {
    await released(store, ['a', 'b'])
    await store.account.update({ creditsRemaining: 12 }, 5)
    const before = await store.account.get()
    await close(store, await granted(store, 'a'), 'answered', { creditsRemaining: 10 })
    await store.account.update({ creditsRemaining: 12 }, 12_000, before)
    expect(await balance()).toBe(10)
    const later = await store.account.get()
    await settle(store, 'b', 'timedOut')
    await store.account.update({ creditsRemaining: 500 }, 13_000, later)
    expect(await balance()).toBe(499)
  })
})

test('a balance that calls in flight cannot explain is a top-up', async () => {
  const balance = async (): Promise<number | null> => (await store.account.get()).creditsRemaining
  await released(store, ['a', 'b', 'c'])
  const [first, second, inFlight] = await Promise.all(['a', 'b', 'c'].map((query) => granted(store, query)))
  if (first === undefined || second === undefined || inFlight === undefined) throw new Error('three calls')
  await store.account.update({ creditsRemaining: 10 }, 5)
  await close(store, first, 'answered', { creditsRemaining: 12 })
  expect(await balance()).toBe(10)
  await close(store, second, 'answered', { creditsRemaining: 500 })
  expect(await balance()).toBe(500)
})

describe('the balance of many calls in flight', () => {
  const balance = async (): Promise<number | null> => (await store.account.get()).creditsRemaining
  const names = ['a', 'b', 'c', 'd', 'e', 'f']

  test('is exact in whatever order their answers come, the oldest last', async () => {
    await released(store, names)
    await store.account.update({ creditsRemaining: 30 }, 5)
    const calls = await Promise.all(names.map((query) => granted(store, query)))
    for (const [index, call] of [...calls.entries()].reverse())
      await close(store, call, 'answered', { creditsRemaining: 29 - index })
    expect(await balance()).toBe(24)
  })

  test('counts a call of unknown outcome as paid, once, also when its answer comes after all', async () => {
    await released(store, names)
    await store.account.update({ creditsRemaining: 30 }, 5)
    await settle(store, 'a', 'timedOut')
    expect(await balance()).toBe(29)
    const lost = await granted(store, 'b')
    await store.calls.expire(20_000)
    expect(await balance()).toBe(28)
    await close(store, lost, 'answered')
    expect(await balance()).toBe(28)
    await granted(store, 'c')
    await granted(store, 'c', { now: 50_000 })
    expect(await balance()).toBe(27)
  })

  test('an answer that cannot be read took a credit', async () => {
    await released(store, names)
    await store.account.update({ creditsRemaining: 30 }, 5)
    await settle(store, 'a', 'unreadable')
    expect(await balance()).toBe(29)
  })
})

describe('the history of a search that is refused', () => {
  const historyOf = (query: string) => store.calls.refusalHistory(refOf(query))

  test('counts its own refusals of each kind, and how the others fared since the first', async () => {
    await released(store, ['a', 'b', 'c', 'd', 'e'])
    await settle(store, 'b', 'answered')
    await settle(store, 'a', 'limitedAlone')
    await settle(store, 'c', 'answered')
    await settle(store, 'd', 'limitedAlone')
    await settle(store, 'd', 'answered')
    await settle(store, 'e', 'failed')
    await settle(store, 'a', 'unpaidAlone')
    expect(await historyOf('a')).toEqual({
      rateLimits: 1,
      refusals: 1,
      othersAnswered: 1,
      othersLimited: 1,
      isAlone: false,
    })
    // A 402 that pauses the queue is the account's.
    expect(await historyOf('e')).toMatchObject({ rateLimits: 0, refusals: 0, othersAnswered: 0 })
  })

  test('an empty account counts against nobody, and a retry begins anew', async () => {
    await released(store, ['a', 'b'])
    await settle(store, 'a', 'unpaidAlone')
    await settle(store, 'a', 'outOfCredits')
    await store.pauses.lift('no_credits', true, Date.now())
    const call = await granted(store, 'a')
    expect(await historyOf('a')).toMatchObject({ refusals: 1 })
    await close(store, call, 'refused')
    await store.deadLetters.retryOne(refOf('a'))
    expect(await historyOf('a')).toMatchObject({ refusals: 0 })
  })

  test('a search is alone when no other waits for its outcome', async () => {
    await released(store, ['a', 'b'])
    await settle(store, 'b', 'answered')
    expect(await historyOf('a')).toMatchObject({ isAlone: true })
  })

  test('status names it while it has no outcome', async () => {
    await released(store, ['a', 'b'])
    const named = async () => (await store.reports.totals(0)).refused
    await close(store, await granted(store, 'a'), 'unpaidAlone', { detail: 'Needs 2 credits' })
    expect(await named()).toEqual([
      {
        query: 'a',
        kind: 'out_of_credits',
        said: { status: 200, words: 'Needs 2 credits' },
        moreRefusals: 9,
      },
    ])
    await settle(store, 'b', 'answered')
    expect(await named()).toMatchObject([{ moreRefusals: 4 }])
    await settle(store, 'a', 'refused')
    expect(await named()).toEqual([])
  })
})

describe('the streak', () => {
  test('counts unreadable answers like refusals: both make dead letters', async () => {
    await released(store, ['a', 'b'])
    await settle(store, 'a', 'unreadable')
    await settle(store, 'b', 'refused')
    expect(await store.calls.streak()).toMatchObject({ refusedSearches: 2, failedSearches: 0 })
  })

  test('counts searches that were refused and that failed back to the last answer', async () => {
    await released(store, ['a', 'b', 'c', 'd'])
    await settle(store, 'a', 'refused')
    await settle(store, 'b', 'answered')
    await settle(store, 'c', 'refused')
    await settle(store, 'd', 'failed')
    await settle(store, 'd', 'rateLimited')
    await close(store, await granted(store, 'd', { now: 70_000 }), 'timedOut')
    expect(await store.calls.streak()).toMatchObject({ refusedSearches: 1, failedSearches: 1 })
  })

  test('follows the order of the calls, even after the clock was set back', async () => {
    await released(store, ['a', 'b', 'c'])
    await close(store, await granted(store, 'a', { now: 900_000 }), 'failed', { now: 901_000 })
    await settle(store, 'b', 'answered')
    await settle(store, 'c', 'failed')
    expect(await store.calls.streak()).toMatchObject({ refusedSearches: 0, failedSearches: 1 })
  })

  test('counts a search once however often it was refused or failed', async () => {
    await released(store, ['a', 'b'])
    for (let call = 1; call <= 7; call += 1) await settle(store, 'b', 'failed')
    await settle(store, 'a', 'refused')
    await store.deadLetters.retryOne(refOf('a'))
    await settle(store, 'a', 'refused', 2)
    expect(await store.calls.streak()).toMatchObject({ refusedSearches: 1, failedSearches: 1 })
  })

  test.each(['failing', 'outage', 'no_credits', 'unauthorized'] as const)(
    'starts anew when %s is lifted',
    async (cause) => {
      await released(store, ['a', 'b'])
      await settle(store, 'a', 'refused')
      await store.pauses.add({ cause: 'operator', since: 1, detail: '' })
      await store.pauses.lift('operator', false, Date.now())
      expect(await store.calls.streak()).toMatchObject({ refusedSearches: 1 })
      await store.pauses.add({ cause, since: 1, detail: '' })
      await store.pauses.lift(cause, true, Date.now())
      expect(await store.calls.streak()).toMatchObject({ refusedSearches: 0 })
      await settle(store, 'b', 'refused')
      expect(await store.calls.streak()).toMatchObject({ refusedSearches: 1 })
    },
  )
})

import { describe, expect, test } from '@jest/globals'
import { UsageError } from '../../src/domain/errors.js'
import type { DeadFilter, Store } from '../../src/store/store.js'
import {
  claim,
  close,
  counts,
  DEATH,
  ENDINGS,
  eachWithStore,
  facts,
  feedAll,
  granted,
  keyOf,
  loaded,
  PLENTY,
  refOf,
  released,
  settle,
} from './setup.js'

let store: Store
eachWithStore((opened) => {
  store = opened.store
})

const ALL = 100

async function listed(filter: DeadFilter = {}): Promise<string[]> {
  return (await store.deadLetters.list(filter, null, ALL)).letters.map(({ letter }) => letter.query)
}

describe('a dead letter', () => {
  test('says what was asked, what was answered, what to do, and how many rows it holds up', async () => {
    await released(store, ['a', 'a'])
    await released(store, ['a'])
    await settle(store, 'a', 'rateLimited')
    await close(store, await granted(store, 'a', { now: 70_000 }), 'refused')
    const letter = {
      search: refOf('a').fingerprint,
      query: 'a',
      status: 400,
      error: 'bad filters',
      code: 'invalid_parameters',
      message: null,
      request_id: 'req-9',
      attempts: 1,
      items: 3,
      died_at: '1970-01-01T00:00:11.000Z',
      remedy: 'Check the query.',
      maybe_paid: false,
    }
    const rows = [
      { batchId: 2, position: 1, key: 'row-1' },
      { batchId: 1, position: 1, key: 'row-1' },
      { batchId: 1, position: 2, key: 'row-2' },
    ]
    expect((await store.deadLetters.list({}, null, ALL)).letters).toEqual([{ ref: refOf('a'), letter, rows }])
    expect(await store.deadLetters.get([refOf('a'), refOf('a', 2)])).toEqual([{ ref: refOf('a'), letter, rows }])
  })

  test('may cost a credit twice when its first answer was unreadable or never arrived', async () => {
    await released(store, ['unreadable', 'lost', 'plain'])
    await settle(store, 'unreadable', 'unreadable')
    await settle(store, 'lost', 'timedOut')
    await settle(store, 'lost', 'usedUp')
    await settle(store, 'plain', 'failed')
    await settle(store, 'plain', 'usedUp')
    const { letters } = await store.deadLetters.list({}, null, ALL)
    const paid = letters.map(({ letter }) => [letter.query, letter.maybe_paid])
    expect(paid).toEqual([
      ['unreadable', true],
      ['lost', true],
      ['plain', false],
    ])
  })
})

/** Two queries whose fingerprints begin with the same six digits. */
function collision(): readonly [string, string] {
  const known = new Map<string, string>()
  for (let n = 0; ; n++) {
    const digits = refOf(`scene ${n}`).fingerprint.slice(0, 6)
    const earlier = known.get(digits)
    if (earlier !== undefined) return [earlier, `scene ${n}`]
    known.set(digits, `scene ${n}`)
  }
}

describe('the list', () => {
  async function threeDead(): Promise<number> {
    await released(store, ['refused', 'unauthorized', 'used up'])
    await settle(store, 'refused', 'refused')
    const call = await granted(store, 'used up')
    await close(store, call, 'usedUp', { now: 9000 })
    await settle(store, 'unauthorized', 'unauthorized')
    return loaded(store, ['refused'])
  }

  test('is by time of death, in pages; one that left the list in between hides no other', async () => {
    await threeDead()
    expect(await listed()).toEqual(['used up', 'refused', 'unauthorized'])
    const first = await store.deadLetters.list({}, null, 1)
    expect(first.letters.map(({ letter }) => letter.query)).toEqual(['used up'])
    expect(await store.deadLetters.retryOne(refOf('used up'))).toBe(true)
    // These two died at the same moment.
    const second = await store.deadLetters.list({}, first.next, 1)
    expect(second.letters.map(({ letter }) => letter.query)).toEqual(['refused'])
    const rest = await store.deadLetters.list({}, second.next, 2)
    expect(rest).toMatchObject({ letters: [{ letter: { query: 'unauthorized' } }], next: null })
  })

  test('is narrowed by status, code, batch and the beginning of a fingerprint', async () => {
    const batchId = await threeDead()
    expect(await listed({ status: 500 })).toEqual(['used up'])
    expect(await listed({ code: 'unauthorized' })).toEqual(['unauthorized'])
    expect(await listed({ batchId })).toEqual(['refused'])
    expect(await listed({ search: refOf('used up').fingerprint.slice(0, 8) })).toEqual(['used up'])
    expect(await listed({ search: `${refOf('refused').fingerprint}-1`, status: 400 })).toEqual(['refused'])
    expect(await store.deadLetters.count({ status: 401 })).toBe(1)
    expect(await store.deadLetters.count({})).toBe(3)
    await expect(store.deadLetters.count({ search: 'no digits' })).rejects.toBeInstanceOf(UsageError)
  })

  test('is narrowed by text in the query or the error, in any case and script', async () => {
    await released(store, ['Über den Wolken', 'Москва', 'say "hi" 50%', 'the rest'])
    for (const query of ['Über den Wolken', 'Москва', 'say "hi" 50%']) await settle(store, query, 'refused')
    const death = { ...DEATH, error: 'Expected "a\\b", found Ä', message: 'ÇA VA?' }
    const end = { ...ENDINGS.refused, decision: { ...ENDINGS.refused.decision, death }, detail: null, facts: facts() }
    await store.calls.close(keyOf(store, await granted(store, 'the rest')), { ...end, now: 11_000 }, 11_000)
    for (const [text, query] of [
      ['über', 'Über den Wolken'],
      ['ÜBER DEN', 'Über den Wolken'],
      ['МОСКВА', 'Москва'],
      ['Москва', 'Москва'],
      ['y "Hi" 5', 'say "hi" 50%'],
      ['0%', 'say "hi" 50%'],
      ['"A\\B", found ä', 'the rest'],
      ['ça va', 'the rest'],
    ] as const) {
      expect([text, await listed({ text })]).toEqual([text, [query]])
      const groups = await store.reports.deadLetterGroups({ text })
      expect(groups.flatMap(({ examples }) => examples.map((each) => each.query))).toEqual([query])
    }
    expect(await listed({ text: '_' })).toEqual([])
    expect(await store.reports.searchesByQuery('über', 9)).toMatchObject([{ query: 'Über den Wolken' }])
  })

  test('is by cause for one search too, and for the discarded', async () => {
    await threeDead()
    const search = refOf('refused').fingerprint
    expect(await store.reports.deadLetterGroups({ search })).toMatchObject([{ status: 400, searches: 1 }])
    await store.deadLetters.discard({ search })
    expect(await store.reports.deadLetterGroups({ discarded: true })).toMatchObject([{ status: 400, searches: 1 }])
  })

  test('of an ambiguous prefix is refused, and nothing is retried or discarded', async () => {
    const [one, other] = collision()
    await released(store, [one, other])
    await settle(store, one, 'refused')
    const search = refOf(one).fingerprint.slice(0, 6)
    expect(await listed({ search })).toEqual([one])
    await settle(store, other, 'refused')
    const ambiguous = expect.objectContaining({ message: expect.stringContaining('More than one') })
    await expect(listed({ search })).rejects.toEqual(ambiguous)
    await expect(store.deadLetters.count({ search })).rejects.toEqual(ambiguous)
    await expect(store.deadLetters.retry({ search })).rejects.toEqual(ambiguous)
    await expect(store.deadLetters.discard({ search })).rejects.toEqual(ambiguous)
    expect(await listed()).toHaveLength(2)
  })

  test('gives the newest, for the dead letter queue', async () => {
    await threeDead()
    const all = ['unauthorized', 'refused', 'used up'].map((query) => refOf(query))
    expect(await store.deadLetters.newest(9)).toEqual(all)
    expect(await store.deadLetters.newest(2)).toEqual(all.slice(0, 2))
  })
})

describe('a retry', () => {
  test('makes it due again, in a new round and with fresh attempts', async () => {
    const id = await released(store, ['a', 'a'])
    await settle(store, 'a', 'failed')
    await settle(store, 'a', 'usedUp')
    expect(await store.deadLetters.retryOne(refOf('a'))).toBe(true)
    expect(await counts(store, id)).toEqual({ items: 2, waiting: 2 })
    expect((await store.feed.due(9, PLENTY)).map((due) => due.ref)).toEqual([refOf('a', 2)])
    expect(await claim(store, 'a', { round: 2 })).toMatchObject({ kind: 'granted', failures: 0 })
  })

  test('happens once: the round guards it', async () => {
    await released(store, ['a'])
    await settle(store, 'a', 'refused')
    expect(await store.deadLetters.retryOne(refOf('a', 2))).toBe(false)
    expect(await store.deadLetters.retryOne(refOf('a'))).toBe(true)
    await settle(store, 'a', 'refused', 2)
    expect(await store.deadLetters.retryOne(refOf('a'))).toBe(false)
  })

  test('or a discard of more than was confirmed changes nothing; nor one of more that may be paid for', async () => {
    await released(store, ['a', 'b'])
    await settle(store, 'a', 'unreadable')
    await settle(store, 'b', 'refused')
    expect(await store.deadLetters.retry({}, { searches: 1, maybePaid: 1 })).toBeNull()
    expect(await store.deadLetters.discard({}, 1)).toBeNull()
    expect(await listed()).toEqual(['a', 'b'])
    expect(await store.deadLetters.discard({ status: 400 }, 1)).toBe(1)
    // As when somebody was asked about the other one, before this one died.
    expect(await store.deadLetters.retry({}, { searches: 1, maybePaid: 0 })).toBeNull()
    const confirmed = await store.deadLetters.price({})
    expect(confirmed).toEqual({ searches: 1, maybePaid: 1 })
    const retried = { retried: 1, due: 1, withheld: 0, maybePaid: 1 }
    expect(await store.deadLetters.retry({}, confirmed)).toEqual(retried)
    expect(await listed()).toEqual([])
  })

  test('of a filter touches nothing else, and says how many', async () => {
    await released(store, ['a', 'b', 'c'])
    await settle(store, 'a', 'refused')
    await settle(store, 'b', 'refused')
    await settle(store, 'c', 'unauthorized')
    expect(await store.deadLetters.retry({ reason: 'unauthorized' })).toMatchObject({ retried: 1 })
    expect(await listed()).toEqual(['a', 'b'])
    expect(await store.deadLetters.retry({ status: 400 })).toEqual({ retried: 2, due: 2, withheld: 0, maybePaid: 0 })
    expect(await listed()).toEqual([])
  })
})

test('says which of the retried are due, which a cap withholds, and which no released batch wants', async () => {
  await released(store, ['a'])
  await released(store, ['b', 'answered'], { maxCredits: 1 })
  const cancelled = await released(store, ['c', 'd'])
  for (const query of ['a', 'b', 'c', 'd']) await settle(store, query, 'refused')
  await settle(store, 'answered', 'answered')
  await store.batches.cancel(cancelled, 1)
  expect(await store.deadLetters.retry({})).toMatchObject({ retried: 4, due: 1, withheld: 1 })
  expect((await store.reports.totals(1)).due).toBe(1)
})

test('what is discarded comes back when its search is named, and is listed among the discarded until then', async () => {
  const id = await released(store, ['a', 'b'])
  await settle(store, 'a', 'refused')
  await settle(store, 'b', 'refused')
  const search = refOf('a').fingerprint
  expect(await store.deadLetters.discard({ search })).toBe(1)
  expect(await store.deadLetters.discard({ search })).toBe(0)
  expect(await listed({ discarded: true })).toEqual(['a'])
  expect(await listed({ search })).toEqual(['a'])
  expect(await store.deadLetters.count({ search })).toBe(1)
  expect(await store.reports.show(search, null)).toMatchObject({ state: 'dead', discarded: true })
  const again = await loaded(store, ['a', 'b'])
  expect(await store.batches.plan(again)).toMatchObject({ alreadyDead: 2, discarded: 1 })
  expect(await store.deadLetters.retry({ status: 400, batchId: id })).toMatchObject({ retried: 1 })
  expect(await store.deadLetters.retry({ search })).toMatchObject({ retried: 1, due: 1, withheld: 0 })
  expect(await listed({ discarded: true })).toEqual([])
  expect(await counts(store, id)).toEqual({ items: 2, waiting: 2 })
})

test('what is discarded leaves the list for good, and its items stay dead', async () => {
  const id = await released(store, ['a', 'b'])
  await settle(store, 'a', 'refused')
  await settle(store, 'b', 'unauthorized')
  expect(await store.deadLetters.discard({ status: 400 })).toBe(1)
  expect(await listed()).toEqual(['b'])
  expect(await store.deadLetters.get([refOf('a')])).toEqual([])
  expect(await store.deadLetters.retryOne(refOf('a'))).toBe(false)
  expect(await store.deadLetters.newest(9)).toEqual([refOf('b')])
  expect(await counts(store, id)).toEqual({ items: 2, dead: 2 })
  expect((await store.reports.totals(1)).deadLetters).toBe(1)
})

describe('a search that crashed its workers', () => {
  const crashed = { ...DEATH, reason: 'crashed', status: null } as const

  test('is dead once, in its own round only', async () => {
    const id = await released(store, ['a'])
    await feedAll(store)
    expect(await store.deadLetters.recordCrashed(refOf('a', 2), crashed, 5)).toBe(false)
    expect(await store.deadLetters.recordCrashed(refOf('a'), crashed, 5)).toBe(true)
    expect(await store.deadLetters.recordCrashed(refOf('a'), crashed, 6)).toBe(false)
    expect(await counts(store, id)).toEqual({ items: 1, dead: 1 })
  })

  test('keeps its outcome', async () => {
    await released(store, ['a'])
    await settle(store, 'a', 'answered')
    expect(await store.deadLetters.recordCrashed(refOf('a'), crashed, 5)).toBe(false)
  })
})

import { beforeEach, describe, expect, test } from '@jest/globals'
import type { Store } from '../../src/store/store.js'
import { claim, type Ending, eachWithStore, granted, RULES, released, settle, type TempStore } from './setup.js'

let temp: TempStore
let store: Store
eachWithStore((opened) => {
  temp = opened
  store = opened.store
})

const OURS = RULES.apiUrl
const OTHER = 'https://api.example.test/v2'
const HERE = 'http://127.0.0.1:3211'

/** A search of the API at OURS that ended so. */
async function used(ending: Ending = 'answered'): Promise<void> {
  await store.api.take(OURS)
  await released(store, ['a'])
  await settle(store, 'a', ending)
}

describe('the API of the store', () => {
  test('is the first one that is taken, and is there after a restart', async () => {
    expect(await store.api.get()).toBeNull()
    expect(await store.api.take(OURS)).toBeNull()
    const again = await temp.openAgain()
    expect(await again.api.get()).toEqual({ address: OURS, adopted: false, answers: 0, isUnused: true })
  })

  test('follows while no call has brought anything', async () => {
    await used('failed')
    expect(await store.api.take(OTHER)).toBeNull()
    expect(await store.api.get()).toMatchObject({ address: OTHER, isUnused: true })
  })

  test.each(['answered', 'noMatch', 'refused', 'unreadable', 'timedOut'] as const)(
    'stays once a call was %s',
    async (ending) => {
      await used(ending)
      expect(await store.api.take(OTHER)).toMatchObject({ address: OURS, isUnused: false })
      expect(await store.api.get()).toMatchObject({ address: OURS })
      expect(await store.api.take(OURS)).toBeNull()
    },
  )

  test('stays while a call is under way: its answer will be of that API', async () => {
    await store.api.take(OURS)
    await released(store, ['a'])
    await granted(store, 'a')
    expect(await store.api.take(OTHER)).toMatchObject({ address: OURS, answers: 0 })
  })

  test('of a store with answers and no address is the first one that is seen', async () => {
    await released(store, ['a'])
    await settle(store, 'a', 'answered')
    expect(await store.api.take(OTHER)).toBeNull()
    expect(await store.api.get()).toMatchObject({ address: OTHER, answers: 1 })
  })

  test('follows a simulator that changes its port, until somebody adopts one', async () => {
    await released(store, ['a'])
    await settle(store, 'a', 'answered')
    await store.api.take(HERE)
    expect(await store.api.take('http://localhost:9')).toBeNull()
    expect(await store.api.get()).toMatchObject({ address: 'http://localhost:9' })
    await store.api.adopt(HERE)
    expect(await store.api.take('http://localhost:9')).toMatchObject({ address: HERE, adopted: true })
  })

  test('is another one once a person has said so', async () => {
    await used()
    await store.api.adopt(OTHER)
    expect(await store.api.take(OURS)).toMatchObject({ address: OTHER, answers: 1 })
    expect(await store.api.take(OTHER)).toBeNull()
  })
})

describe('what an API reported about the account', () => {
  const known = { creditsRemaining: 7, limitPerMinute: 300, tier: 'pro' }
  beforeEach(() => store.account.update({ ...known, apiUrl: HERE }, 10))

  test('stays for the same API, and is forgotten when a worker of another one starts', async () => {
    await store.api.take('http://localhost:9')
    expect(await store.account.get()).toMatchObject({ ...known, heardAt: 10 })
    await store.api.take(OTHER)
    expect(await store.account.get()).toMatchObject({ creditsRemaining: null, limitPerMinute: null, heardAt: null })
    await store.api.take(OTHER)
    expect(await store.account.get()).toMatchObject({ tier: null, apiUrl: OTHER })
  })

  test('is not mixed with what another one reports', async () => {
    await store.account.update({ creditsRemaining: 9, apiUrl: OTHER }, 20)
    expect(await store.account.get()).toMatchObject({ creditsRemaining: 9, limitPerMinute: null, heardAt: 20 })
  })
})

describe('a claim by a worker of another API', () => {
  test('is refused for a while, and nothing is written as sent', async () => {
    await store.api.take(OURS)
    await released(store, ['a'])
    const refused = await claim(store, 'a', { apiUrl: OTHER })
    expect(refused).toEqual({ kind: 'another_api', until: RULES.now + 5000 })
    expect((await store.reports.totals(RULES.now)).callsByOutcome.sent).toBe(0)
    expect(await claim(store, 'a')).toMatchObject({ kind: 'granted' })
  })

  test('is refused to a worker that took a record without answers, from the moment when another one has it', async () => {
    await store.api.take(HERE)
    await store.api.take(OURS)
    await released(store, ['a'])
    expect(await claim(store, 'a', { apiUrl: HERE })).toMatchObject({ kind: 'another_api' })
  })
})

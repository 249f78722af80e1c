import { describe, expect, test } from '@jest/globals'
import { withSimulator } from './setup.js'

describe('the log of calls', () => {
  test('holds every search in order of arrival with what it was charged, under the name of its key', () =>
    withSimulator({ keys: ['one', 'two'], credits: 2 }, async ({ simulator, search }) => {
      await search({ query: 'a', limit: 5 }, 'one')
      await search('not json', 'two')
      await search({ query: 'b' }, 'two')
      await search({ query: 'c' }, 'one')
      expect(simulator.calls()).toMatchObject([
        { number: 1, query: 'a', request: { query: 'a', limit: 5 }, keyId: 'key-1', status: 200, charged: 1 },
        { number: 2, query: '', request: 'not json', keyId: 'key-2', status: 400, charged: 0 },
        { number: 3, query: 'b', status: 200, charged: 1, finished: 'answered' },
        { number: 4, query: 'c', status: 402, charged: 0, finished: 'answered' },
      ])
      expect(simulator.summary()).toMatchObject({ calls: 4, paid: 2, byStatus: { 200: 2, 400: 1, 402: 1 }, open: 0 })
    }))

  test.each([
    [{ query: 'slow  jazz ' }],
    [{ query: 'slow jazz', limit: 20, offset: 0, filters: {} }],
    [{ offset: 0, query: 'slow\tjazz' }],
  ])('the same search in another form is paid twice: %j', (second) =>
    withSimulator({}, async ({ simulator, search }) => {
      await search({ query: 'slow jazz' })
      expect(simulator.paidTwice()).toEqual([])
      await search(second)
      expect(simulator.paidTwice()).toEqual(['slow jazz [20+0]'])
    }),
  )

  test('filters in another order are the same search; another value, page or letter case is not', () =>
    withSimulator({}, async ({ simulator, search }) => {
      await search({ query: 'a', filters: { moods: ['sad', 'calm'], min_bpm: 60 } })
      await search({ query: 'a', filters: { moods: ['sad', 'calm'], min_bpm: 61 } })
      await search({ query: 'a', offset: 20 })
      await search({ query: 'A', offset: 20 })
      expect(simulator.paidTwice()).toEqual([])
      await search({ query: 'a', filters: { min_bpm: 60, moods: ['calm', 'sad'] } })
      expect(simulator.paidTwice()).toEqual(['a [20+0] {"min_bpm":60,"moods":["calm","sad"]}'])
    }))

  test('a search that failed and then succeeded was paid once', () =>
    withSimulator({ faults: [{ times: 1, does: { status: 500 } }] }, async ({ simulator, search }) => {
      expect((await search({ query: 'a' })).status).toBe(500)
      expect((await search({ query: 'a' })).status).toBe(200)
      expect([simulator.paid(), simulator.paidTwice()]).toEqual([1, []])
    }))

  test('counts how many searches were open at once', () =>
    withSimulator({ latencyMs: 60_000 }, async ({ simulator, search }) => {
      const calls = ['a', 'b', 'c'].map((query) => search({ query }).catch(() => null))
      await simulator.waitForCalls(3, 40_000)
      expect(simulator.calls().map((call) => call.openCalls)).toEqual([1, 2, 3])
      expect(simulator.summary()).toMatchObject({ open: 3, mostOpen: 3 })
      await simulator.close()
      await Promise.all(calls)
    }))

  test('a wait for calls that do not come says what it saw; one that the simulator outlives ends with it', () =>
    withSimulator({}, async ({ simulator, search }) => {
      await search({ query: 'a' })
      await simulator.waitForCalls(1, 0)
      await expect(simulator.waitForCalls(2, 20)).rejects.toThrow('waited 20 ms for 2 calls at the simulator, saw 1')
      const waiting = simulator.waitForCalls(3, 60_000)
      await Promise.all([expect(waiting).rejects.toThrow('closed after 1 calls'), simulator.close()])
    }))
})

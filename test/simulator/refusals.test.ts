import { describe, expect, test } from '@jest/globals'
import { SIMULATOR_KEY } from '../../src/simulator/options.js'
import { withSimulator } from './setup.js'

describe('documented refusals', () => {
  test.each([
    ['broken JSON', '{"query":', 'Malformed JSON'],
    ['a list', [], 'The body must be an object'],
    ['no query', {}, 'query is required'],
    ['a blank query', { query: '  ' }, 'query is required'],
    ['a limit of 0', { query: 'a', limit: 0 }, 'limit must be between 1 and 100'],
    ['a limit of 101', { query: 'a', limit: 101 }, 'limit must be between 1 and 100'],
    ['a limit in quotes', { query: 'a', limit: '5' }, 'limit must be between 1 and 100'],
    ['a negative offset', { query: 'a', offset: -1 }, 'offset must be a number, 0 or more'],
    ['filters as a list', { query: 'a', filters: [] }, 'filters must be an object'],
    ['genres as a text', { query: 'a', filters: { genres: 'rock' } }, 'filters.genres must be an array of strings'],
    ['has_vocals as a text', { query: 'a', filters: { has_vocals: 'no' } }, 'filters.has_vocals must be a boolean'],
    ['min_bpm of 39', { query: 'a', filters: { min_bpm: 39 } }, 'filters.min_bpm must be between 40 and 200'],
    ['max_bpm as a text', { query: 'a', filters: { max_bpm: '120' } }, 'filters.max_bpm must be between 40 and 200'],
  ])('400 for %s, free of charge', (_, body, error) =>
    withSimulator({}, async ({ simulator, search }) => {
      const answer = await search(body)
      expect(answer.status).toBe(400)
      expect(JSON.parse(answer.text)).toEqual({ error, code: 'invalid_parameters' })
      expect(simulator.paid()).toBe(0)
    }),
  )

  test.each([
    ['no key', null],
    ['a wrong key', 'wrong'],
  ])('401 for %s, in the shape documented for each endpoint', (_, key) =>
    withSimulator({}, async ({ simulator, search, get }) => {
      const answer = await search({ query: 'a' }, key)
      expect([answer.status, JSON.parse(answer.text)]).toEqual([
        401,
        { error: 'Unauthorized', message: 'Invalid API key' },
      ])
      expect(JSON.parse((await get('/me', key)).text)).toEqual({ error: 'Invalid API key', code: 'unauthorized' })
      expect(simulator.calls()[0]).toMatchObject({ status: 401, charged: 0, keyId: key === null ? 'none' : 'unknown' })
    }),
  )

  test('a revoked key gets 401 until it is restored', () =>
    withSimulator({}, async ({ simulator, search }) => {
      simulator.revokeKey()
      expect((await search({ query: 'a' })).status).toBe(401)
      simulator.restoreKey()
      expect((await search({ query: 'a' })).status).toBe(200)
    }))

  test('402 once the credits are used up, 200 again after a top-up, to the exact credit', () =>
    withSimulator({ credits: 2 }, async ({ simulator, search }) => {
      const ask = async () => (await search({ query: 'a' })).status
      expect([await ask(), await ask(), await ask()]).toEqual([200, 200, 402])
      expect(JSON.parse((await search({ query: 'a' })).text)).toEqual({
        error: 'Out of credits',
        message: 'Please top up or upgrade your plan',
      })
      simulator.topUp(1)
      expect([await ask(), await ask()]).toEqual([200, 402])
      expect(simulator.paid()).toBe(3)
    }))

  test('no two of fifty parallel searches share the last credits', () =>
    withSimulator({ credits: 20, latencyMs: [0, 20] }, async ({ simulator, search }) => {
      const statuses = await Promise.all(
        Array.from({ length: 50 }, async (_, index) => (await search({ query: `q${index}` })).status),
      )
      expect(statuses.filter((status) => status === 200)).toHaveLength(20)
      expect(statuses.filter((status) => status === 402)).toHaveLength(30)
      expect([simulator.paid(), simulator.credits()]).toEqual([20, 0])
    }))

  test('404 for any other path and 405 for another method, in the shape of the table', () =>
    withSimulator({}, async ({ get }) => {
      expect((await get('/track/1')).status).toBe(404)
      expect((await get('/search')).status).toBe(405)
      expect((await get('//')).status).toBe(404)
    }))

  test('a 500 carries its request id in the body', () =>
    withSimulator({ faults: [{ does: { status: 500 } }] }, async ({ search }) => {
      expect(JSON.parse((await search({ query: 'a' })).text)).toEqual({
        error: 'Internal Server Error',
        message: 'An unexpected error occurred',
        request_id: expect.any(String),
      })
    }))

  test('a careless server repeats the Authorization header in its errors, and only when told to', async () => {
    for (const echoKey of [true, false]) {
      await withSimulator({ echoKey, faults: [{ does: { status: 403 } }] }, async ({ simulator, search }) => {
        expect((await search({ query: 'a' })).text.includes(SIMULATOR_KEY)).toBe(echoKey)
        expect(JSON.stringify(simulator.calls())).not.toContain(SIMULATOR_KEY)
      })
    }
  })
})

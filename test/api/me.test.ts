import { expect, test } from '@jest/globals'
import type { MeResult } from '../../src/api/classify.js'
import { http } from './raw-server.js'
import { withApi } from './setup.js'

const pro = {
  tier: 'pro',
  credits_remaining: 49_000,
  monthly_allowance: 50_000,
  rate_limit: { requests_per_minute: 300, requests_per_day: null },
}
const silent = {
  tier: null,
  creditsRemaining: null,
  monthlyAllowance: null,
  limitPerMinute: null,
  limitPerDay: null,
  remainingToday: null,
  date: null,
}

const cases: [string, string, MeResult][] = [
  [
    'the documented answer',
    http(200, pro, { Date: 'Fri, 02 Jan 2026 03:04:05 GMT' }),
    {
      kind: 'ok',
      tier: 'pro',
      creditsRemaining: 49_000,
      monthlyAllowance: 50_000,
      limitPerMinute: 300,
      limitPerDay: null,
      remainingToday: null,
      date: Date.UTC(2026, 0, 2, 3, 4, 5),
    },
  ],
  ['an answer that says nothing', http(200, {}), { kind: 'ok', ...silent }],
  [
    'figures of the wrong type fall back on the headers',
    http(
      200,
      { credits_remaining: 'lots', rate_limit: { requests_per_minute: 0, requests_per_day: 'unlimited' } },
      { 'X-Credits-Remaining': '5', 'X-RateLimit-Limit': '10' },
    ),
    { kind: 'ok', ...silent, creditsRemaining: 5, limitPerMinute: 10 },
  ],
  [
    'a key that is not accepted',
    http(401, { error: 'Invalid API key', code: 'unauthorized' }),
    { kind: 'unauthorized' },
  ],
  [
    'an error',
    http(500, { error: 'Internal Server Error', message: 'oops' }),
    { kind: 'failed', reason: 'HTTP 500: Internal Server Error: oops' },
  ],
  ['a page', http(200, '<html>'), { kind: 'failed', reason: 'the answer of GET /me is not a JSON object' }],
]

test.each(cases)('GET /me: %s', async (_, response, expected) => {
  await withApi(response, async (api, server) => {
    expect(await api.me()).toEqual(expected)
    expect(server.requests[0]).toMatch(/^GET \/v1\/me HTTP\/1\.1\r\n/)
  })
})

test('GET /me: an answer that breaks off is a failure', async () => {
  await withApi(
    (socket) => socket.end('HTTP/1.1 200 X\r\ncontent-length: 50\r\n\r\n{"tier":'),
    async (api) => {
      expect(await api.me()).toEqual({ kind: 'failed', reason: 'connection lost' })
    },
  )
})

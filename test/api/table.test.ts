import { describe, expect, test } from '@jest/globals'
import type { Outcome, Refusal } from '../../src/domain/outcome.js'
import { http } from './raw-server.js'
import { answered, withApi } from './setup.js'

const request = { query: 'calm piano', limit: 20, offset: 0 }
const answer = { tracks: [{ id: 'trk_1' }, { id: 'trk_2' }], credits_remaining: 41 }
const refusal = { status: 400, error: null, code: null, message: null, requestId: null }

const TABLE: [string, string, Outcome][] = [
  ['200', http(200, answer), answered(JSON.stringify(answer))],
  ['200 without tracks found', http(200, '{"tracks": []}'), answered('{"tracks": []}')],
  ['another 2xx that can be read', http(203, answer), answered(JSON.stringify(answer))],
  ['200 that is HTML', http(200, '<html>hi</html>'), unreadable('<html>hi</html>', 'HTML', 200)],
  ['200 that is empty', http(200, ''), unreadable('', 'an empty body', 200)],
  ['200 that is cut JSON', http(200, '{"tracks":[{'), unreadable('{"tracks":[{', 'no JSON', 200)],
  [
    '200 that is other JSON',
    http(200, '{"tracks":{}}'),
    unreadable('{"tracks":{}}', 'JSON whose "tracks" is an object', 200),
  ],
  ['204', 'HTTP/1.1 204 X\r\n\r\n', unreadable('', 'an empty body', 204)],
  [
    '400 with a code',
    http(400, { error: 'hit_point_seconds requires duration_seconds', code: 'invalid_parameters' }),
    {
      kind: 'refused',
      refusal: { ...refusal, error: 'hit_point_seconds requires duration_seconds', code: 'invalid_parameters' },
    },
  ],
  [
    '401',
    http(401, { error: 'Unauthorized', message: 'Invalid API key' }),
    { kind: 'unauthorized', refusal: { ...refusal, status: 401, error: 'Unauthorized', message: 'Invalid API key' } },
  ],
  [
    '402',
    http(402, { error: 'Out of credits', message: 'Please top up or upgrade your plan' }),
    {
      kind: 'out_of_credits',
      refusal: { ...refusal, status: 402, error: 'Out of credits', message: 'Please top up or upgrade your plan' },
    },
  ],
  [
    '402 that says when: it says nothing of the credits',
    http(402, '', { 'Retry-After': '9' }),
    { kind: 'out_of_credits', refusal: { ...refusal, status: 402 } },
  ],
  [
    '403',
    http(403, { error: 'Forbidden', message: 'This feature requires a paid plan' }),
    {
      kind: 'refused',
      refusal: { ...refusal, status: 403, error: 'Forbidden', message: 'This feature requires a paid plan' },
    },
  ],
  [
    '403 that says when to come back is a limit',
    http(403, { message: 'You have exceeded a secondary rate limit' }, { 'Retry-After': '30' }),
    limited({ status: 403, message: 'You have exceeded a secondary rate limit' }, { retryAfterMs: 30_000 }),
  ],
  [
    '403 after which nothing remains of the minute is a limit',
    http(403, '', { 'X-RateLimit-Remaining': '0' }),
    limited({ status: 403 }),
  ],
  [
    '403 with calls remaining is refused',
    http(403, '', { 'X-RateLimit-Remaining': '7' }),
    { kind: 'refused', refusal: { ...refusal, status: 403 } },
  ],
  [
    '404 as a page of a proxy',
    http(404, '<!doctype html><html><head><title>Not here</title></head><body>x</body></html>'),
    { kind: 'refused', refusal: { ...refusal, status: 404, message: 'Not here' } },
  ],
  [
    '413 with an id in the body',
    http(413, { error: 'Too large', request_id: 'req_7' }, { 'x-request-id': 'other' }),
    { kind: 'refused', refusal: { ...refusal, status: 413, error: 'Too large', requestId: 'req_7' } },
  ],
  [
    '422 with an error object',
    http(422, { error: { message: 'limit too high', code: 17 } }),
    {
      kind: 'refused',
      refusal: { ...refusal, status: 422, error: 'limit too high', code: '17' },
    },
  ],
  ['408', http(408, ''), transient('HTTP 408', 408)],
  ['425', http(425, ''), transient('HTTP 425', 425)],
  [
    '429',
    http(429, { error: 'Too Many Requests' }, { 'Retry-After': '42', 'X-RateLimit-Remaining': '0' }),
    limited({ error: 'Too Many Requests' }, { retryAfterMs: 42_000 }),
  ],
  ['429 without Retry-After', http(429, ''), limited({})],
  [
    '429 of the day, by its header',
    http(429, '', { 'Retry-After': '60', 'X-RateLimit-Remaining-Daily': '0' }),
    limited({}, { retryAfterMs: 60_000, daily: true }),
  ],
  [
    '429 of the day, by its length',
    http(429, '', { 'Retry-After': '7201' }),
    limited({}, { retryAfterMs: 7_201_000, daily: true }),
  ],
  [
    '500',
    http(500, {
      error: 'Internal Server Error',
      message: 'An unexpected error occurred',
      request_id: 'req_9',
    }),
    transient('HTTP 500: Internal Server Error: An unexpected error occurred', 500, {
      error: 'Internal Server Error',
      message: 'An unexpected error occurred',
      requestId: 'req_9',
    }),
  ],
  [
    '502 as HTML',
    http(502, '<html><body><h1>Bad  Gateway</h1></body></html>'),
    transient('HTTP 502: Bad Gateway', 502, { message: 'Bad Gateway' }),
  ],
  ['503 that says when', http(503, '', { 'Retry-After': '5' }), transient('HTTP 503', 503, { retryAfterMs: 5000 })],
  ['504', http(504, ''), transient('HTTP 504', 504)],
  [
    '302, which is not followed',
    http(302, '', { Location: 'http://127.0.0.1:1/' }),
    {
      kind: 'refused',
      refusal: {
        ...refusal,
        status: 302,
        message: 'The API answered with a redirect, which is not followed with a key; check TRACKYARD_API_URL.',
      },
    },
  ],
]

function limited(
  said: Partial<Refusal>,
  facts: { readonly retryAfterMs?: number; readonly daily?: boolean } = {},
): Outcome {
  return {
    kind: 'rate_limited',
    retryAfterMs: null,
    daily: false,
    refusal: { ...refusal, status: 429, ...said },
    ...facts,
  }
}

function unreadable(body: string, found: string, status: number): Outcome {
  return {
    kind: 'unreadable',
    status,
    body,
    problem: `expected JSON with a list of tracks, found ${found} (HTTP ${status})`,
  }
}

function transient(
  reason: string,
  status: number,
  { retryAfterMs = null, ...said }: Partial<Refusal> & { readonly retryAfterMs?: number | null } = {},
): Outcome {
  return { kind: 'transient', reason, status, refusal: { ...refusal, status, ...said }, retryAfterMs, maybePaid: false }
}

describe('the error table', () => {
  test.each(TABLE)('%s', async (_, response, expected) => {
    await withApi(response, async (api, server) => {
      const { outcome, facts } = await api.search(request)
      expect(outcome).toEqual(expected)
      expect(facts.status).toBe(Number(response.slice(9, 12)))
      expect(server.requests).toHaveLength(1)
    })
  })

  test('the request is the documented one, each on a connection of its own', async () => {
    const connections = new Set<unknown>()
    const respond = (socket: import('node:net').Socket): void => {
      connections.add(socket)
      socket.write(http(200, answer))
    }
    await withApi(respond, async (api, server) => {
      await api.search({ ...request, filters: { genres: ['jazz'], unknown_to_us: 1 } })
      await api.search(request)
      const [head = '', body = ''] = (server.requests[0] ?? '').split('\r\n\r\n')
      expect(head).toMatch(/^POST \/v1\/search HTTP\/1\.1\r\n/)
      expect(head).toMatch(/^authorization: Bearer tk_live_4f9a7c21d8e35b60$/im)
      expect(head).toMatch(/^content-type: application\/json$/im)
      expect(head).toMatch(/^user-agent: test\/1$/im)
      expect(JSON.parse(body)).toEqual({ ...request, filters: { genres: ['jazz'], unknown_to_us: 1 } })
      expect(head).toMatch(/^connection: close$/im)
      expect(connections.size).toBe(2)
    })
  })

  test('limits, credits and the request id are read; the balance of the body goes first', async () => {
    const headers = {
      'X-RateLimit-Limit': '300',
      'X-RateLimit-Remaining': '0',
      'X-RateLimit-Limit-Daily': '5000',
      'X-RateLimit-Remaining-Daily': '4999',
      'X-Credits-Remaining': '77',
      'X-Amzn-RequestId': 'req_1',
    }
    await withApi(http(200, answer, headers), async (api) => {
      expect((await api.search(request)).facts).toEqual({
        status: 200,
        requestId: 'req_1',
        creditsRemaining: 41,
        limitPerMinute: 300,
        remainingThisMinute: 0,
        limitPerDay: 5000,
        remainingToday: 4999,
        durationMs: expect.any(Number),
      })
    })
    await withApi(http(500, { request_id: 'b' }, headers), async (api) => {
      expect((await api.search(request)).facts).toMatchObject({ requestId: 'b', creditsRemaining: 77 })
    })
  })

  test.each(['', '-1', '1.5', 'many', '300;w=60', '0', '9'.repeat(30)])(
    'a limit of %p is not believed',
    async (value) => {
      await withApi(http(200, answer, { 'X-RateLimit-Limit': value }), async (api) => {
        expect((await api.search(request)).facts.limitPerMinute).toBeNull()
      })
    },
  )
})

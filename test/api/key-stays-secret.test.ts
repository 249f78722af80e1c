import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { redactableKey } from '../../src/api/redact.js'
import { http } from './raw-server.js'
import { answered, KEY, withApi } from './setup.js'

const request = { query: 'calm piano', limit: 20, offset: 0 }

describe('the API key is in nothing that comes back', () => {
  const echo = { error: `Bad key ${KEY}`, message: `Authorization: Bearer ${KEY}`, code: KEY, request_id: KEY }
  test.each([200, 400, 401, 402, 403, 500, 503])('a server that echoes it with a %i', async (status) => {
    await withApi(http(status, echo, { 'x-request-id': KEY }), async (api) => {
      const text = JSON.stringify([await api.search(request), await api.me()])
      expect(text).toContain('[key]')
      expect(text).not.toContain(KEY)
    })
  })

  test('a server that echoes it in a header only', async () => {
    await withApi(http(404, '', { 'x-request-id': `req-${KEY}` }), async (api) => {
      const { outcome, facts } = await api.search(request)
      expect(facts.requestId).toBe('req-[key]')
      expect(outcome).toMatchObject({ refusal: { requestId: 'req-[key]' } })
    })
  })

  test('an answer that quotes it is kept without it, and is still an answer', async () => {
    await withApi(http(200, { tracks: [], you: KEY }), async (api) => {
      expect((await api.search(request)).outcome).toEqual(answered('{"tracks":[],"you":"[key]"}'))
    })
  })

  test.each([
    ['base64', Buffer.from(KEY).toString('base64')],
    ['base64 of the header', Buffer.from(`Bearer ${KEY}`).toString('base64')],
    ['base64 of Basic', Buffer.from(`me:${KEY}`).toString('base64')],
    ['cut', `${KEY.slice(0, 16)}…`],
    ['end', `…${KEY.slice(-14)}`],
    ['escaped as JSON may do', KEY.replace('_', '\\u005F').replaceAll('9', '\\u0039')],
  ])('%s', (_, text) => {
    const clean = redactableKey(KEY).redact(`<${text}>`)
    expect(clean).toMatch(/\[key\]|\[withheld: it repeats the API key\]/)
    expect(clean).not.toContain(KEY.slice(0, 12))
  })

  test('a key is gone wherever it stands, the rest stays', () => {
    const keys = fc
      .string({ minLength: 8, maxLength: 60, unit: 'grapheme-ascii' })
      .filter((key) => !'[key]'.includes(key))
    fc.assert(
      fc.property(keys, (key) => {
        expect(redactableKey(key).redact(`(${key})`)).not.toContain(key)
      }),
    )
  })

  test('an error body of PHP, which escapes every slash, gives nothing of a key with slashes', async () => {
    const apiKey = 'tk/live/4f9a/7c21'
    const body = JSON.stringify({ error: 'Bad key', message: apiKey }).replaceAll('/', '\\/')
    await withApi(
      http(403, body),
      async (api) => expect((await api.search(request)).outcome).toMatchObject({ refusal: { message: '[key]' } }),
      { apiKey },
    )
  })

  test('an answer without it stays as received to the letter', () => {
    fc.assert(
      fc.property(fc.string(), (body) => {
        expect(redactableKey(KEY).redactAnswer(body)).toBe(body)
      }),
    )
    expect(redactableKey('test').redactAnswer('{"title":"latest"}')).toBe('{"title":"latest"}')
  })
})

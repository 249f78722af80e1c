import { deflateSync, gzipSync } from 'node:zlib'
import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { outcomeOf, readMe } from '../../src/api/classify.js'
import { receive } from '../../src/api/received.js'
import { redactableKey } from '../../src/api/redact.js'
import { readAnswer } from '../../src/domain/answer.js'
import { CALL_OUTCOMES, type CallResult, ledgerOutcome, NOTHING_SAID } from '../../src/domain/outcome.js'
import { anyCharacter } from '../support/any-character.js'
import { KEY, withApi } from './setup.js'

const request = { query: 'calm piano', limit: 20, offset: 0 }
const NOW = Date.UTC(2026, 0, 1)

/** Every kind of outcome, its numbers safe, its texts short, printable and without the key. */
function expectKnown({ outcome, facts }: CallResult): void {
  expect(CALL_OUTCOMES).toContain(ledgerOutcome(outcome))
  const { body: _, ...said } = { body: null, ...outcome }
  expect(JSON.stringify([outcome, facts])).not.toContain(KEY)
  for (const text of textsOf([said, facts])) expect(text).toMatch(/^[^\p{Cc}]{0,700}$/u)
  const numbers = [facts.creditsRemaining, facts.limitPerMinute, facts.remainingThisMinute, facts.limitPerDay]
  const waits = 'retryAfterMs' in outcome ? [outcome.retryAfterMs] : []
  for (const number of [...numbers, ...waits])
    expect(number === null || (Number.isSafeInteger(number) && number >= 0)).toBe(true)
}

function textsOf(value: unknown): string[] {
  if (typeof value === 'string') return [value]
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(textsOf) : []
}

/** The key as a server may spell it back. */
const spelledKey = fc.constantFrom(
  KEY,
  `Bearer ${KEY}`,
  encodeURIComponent(`Bearer ${KEY}`),
  Buffer.from(`Bearer ${KEY}`).toString('base64'),
  [...KEY].map((letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`).join(''),
  `${KEY.slice(0, 5)}\\u${KEY.charCodeAt(5).toString(16).padStart(4, '0')}${KEY.slice(6)}`,
)
const scalar = fc.oneof(
  fc.string({ unit: anyCharacter, maxLength: 12 }),
  spelledKey,
  fc.double(),
  fc.boolean(),
  fc.constant(null),
)
const documented = fc.dictionary(
  fc.constantFrom(
    'tracks',
    'credits_remaining',
    'error',
    'message',
    'code',
    'request_id',
    'detail',
    'rate_limit',
    'tier',
  ),
  fc.oneof(
    scalar,
    fc.array(fc.oneof(scalar, fc.dictionary(fc.constantFrom('id', 'bpm', 'moods'), scalar))),
    fc.dictionary(fc.constantFrom('message', 'code', 'requests_per_minute'), scalar),
  ),
)
const bodyText = fc.oneof(
  // Spelled with escapes, the key must stand in the JSON as it is, not be escaped once more.
  documented.map((value) => JSON.stringify(value).replaceAll('\\\\u', '\\u')),
  fc
    .tuple(
      fc.constantFrom('<html><title>', 'plain ', '{"error":"', ''),
      fc.oneof(spelledKey, fc.string({ unit: anyCharacter })),
    )
    .map((parts) => parts.join('')),
)
const body = fc.oneof(
  fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
  bodyText.map((text) => Buffer.from(text)),
  bodyText.map((text) => gzipSync(text)),
  bodyText.map((text) => deflateSync(text)),
)
const NAMES = [
  'retry-after',
  'date',
  'content-encoding',
  'x-request-id',
  'x-credits-remaining',
  'x-ratelimit-limit',
  'x-ratelimit-remaining-daily',
  'location',
  'content-type',
]
const headerValue = fc.oneof(
  fc.stringMatching(/^[ -~]{0,30}$/),
  fc.stringMatching(/^[0-9]{1,20}$/),
  fc.constantFrom('gzip', 'deflate', 'br', 'Thu, 01 Jan 2026 00:00:30 GMT', KEY, `id-${KEY}`, '\u0080\u009b31m', 'ü'),
)
const headers = fc.dictionary(fc.constantFrom(...NAMES), fc.oneof(headerValue, fc.array(headerValue, { maxLength: 3 })))
const status = fc.oneof(
  fc.constantFrom(200, 400, 401, 402, 403, 404, 408, 425, 429, 500, 503),
  fc.integer({ min: 200, max: 999 }),
)
const end = fc.constantFrom('whole' as const, 'cut' as const, 'too_large' as const)

describe('whatever the API answers', () => {
  test('any status with any headers and any body is an outcome of a known kind, never with the key', () => {
    fc.assert(
      fc.property(status, headers, body, end, (code, given, bytes, how) => {
        const raw = {
          status: code,
          headers: given,
          body: bytes,
          end: how,
          problem: how === 'whole' ? '' : 'connection lost',
        }
        const response = receive(raw, redactableKey(KEY), 1024)
        const outcome = outcomeOf(response, readAnswer(response.text), NOW)
        expectKnown({ outcome, facts: NOTHING_SAID })
        expect(outcome.kind === 'answered' || outcome.kind === 'unreadable' ? Math.floor(code / 100) : 2).toBe(2)
        const me = readMe(response)
        expect(['ok', 'unauthorized', 'failed']).toContain(me.kind)
        expect(JSON.stringify(me)).not.toContain(KEY)
      }),
      { numRuns: 1000 },
    )
  })

  test('any bytes behind a status line are a result of a known kind through the real client', async () => {
    let answer: Buffer = Buffer.alloc(0)
    await withApi(
      (socket) => socket.end(answer),
      async (api) => {
        const line = fc
          .tuple(
            fc.constantFrom(...NAMES, 'content-length', 'transfer-encoding', 'connection', 'a b'),
            fc.oneof(headerValue, fc.constantFrom('chunked', 'close', '-1', '3', '99999999999')),
          )
          .map(([name, value]) => `${name}: ${value}\r\n`)
        const start = fc.oneof(
          fc.integer({ min: 0, max: 1100 }).map((code) => `HTTP/1.1 ${code} X\r\n`),
          fc.constantFrom('HTTP/1.0 200 OK\r\n', 'HTTP/2 200\r\n', 'SSH-2.0\r\n', ''),
        )
        await fc.assert(
          fc.asyncProperty(start, fc.array(line, { maxLength: 4 }), body, async (first, lines, bytes) => {
            answer = Buffer.concat([Buffer.from(`${first}${lines.join('')}\r\n`, 'latin1'), bytes])
            expectKnown(await api.search(request))
          }),
          { numRuns: 150 },
        )
      },
      { timeoutMs: 2000 },
    )
  })
})

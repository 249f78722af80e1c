import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { parseRetryAfter } from '../../src/api/retry-after.js'
import { LONGEST_RETRY_AFTER_MS, serverWaitMs } from '../../src/domain/backoff.js'

const NOW = Date.UTC(2026, 7, 3, 10, 0, 0)

describe('Retry-After', () => {
  test.each([
    ['42', 42_000],
    ['0', 0],
    [' 7 ', 7000],
    ['007', 7000],
    ['86400', 86_400_000],
    ['31536000', 31_536_000_000],
    ['Mon, 03 Aug 2026 10:01:30 GMT', 90_000],
    ['Monday, 03-Aug-26 10:01:30 GMT', 90_000],
    ['Mon Aug  3 10:01:30 2026', 90_000],
    ['Sun, 06 Nov 1994 08:49:37 GMT', 0],
    ['Sunday, 06-Nov-94 08:49:37 GMT', 0],
  ])('%p is %p ms', (value, expected) => {
    expect(parseRetryAfter(value, null, NOW)).toBe(expected)
  })

  test.each([
    null,
    '',
    '   ',
    '-1',
    '-0',
    '+5',
    '1.5',
    '1e3',
    '0x10',
    '42s',
    '42, 42',
    '٤٢',
    'soon',
    'NaN',
    'Infinity',
    '2026-08-03T10:01:30Z',
    'Mon, 31 Feb 2026 10:00:00 GMT',
    'Mon, 03 Aug 2026 24:00:00 GMT',
    'Mon, 03 Foo 2026 10:00:00 GMT',
    'Mon, 03 Aug 2026 10:00:00 CET',
  ])('%p is not readable', (value) => {
    expect(parseRetryAfter(value, null, NOW)).toBeNull()
  })

  test("a date is measured against the server's own Date, whatever the clock here says", () => {
    const date = 'Mon, 03 Aug 2026 12:00:00 GMT'
    expect(parseRetryAfter('Mon, 03 Aug 2026 12:00:42 GMT', date, NOW)).toBe(42_000)
    expect(parseRetryAfter('Mon, 03 Aug 2026 10:00:42 GMT', 'today', NOW)).toBe(42_000)
  })

  test('a hundred digits are a long wait, not an infinite one', () => {
    const ms = parseRetryAfter('9'.repeat(100), null, NOW)
    expect(ms).toBe(Number.MAX_SAFE_INTEGER)
    expect(serverWaitMs(ms ?? 0)).toBe(LONGEST_RETRY_AFTER_MS)
  })

  test('whole seconds are read as they stand', () => {
    fc.assert(
      fc.property(fc.nat(), (seconds) => {
        expect(parseRetryAfter(String(seconds), null, NOW)).toBe(seconds * 1000)
      }),
    )
  })

  test('a date ahead is the wait until then', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 10 ** 8 }), (seconds) => {
        expect(parseRetryAfter(new Date(NOW + seconds * 1000).toUTCString(), null, NOW)).toBe(seconds * 1000)
      }),
    )
  })

  test('whatever stands there, the result is null or a safe whole number from 0', () => {
    const anything = fc.oneof(
      fc.string(),
      fc.stringMatching(/^[-+ \d.,:a-zA-Z]{0,40}$/),
      fc.stringMatching(/^\d{0,400}$/),
    )
    fc.assert(
      fc.property(anything, fc.option(anything), (value, date) => {
        const ms = parseRetryAfter(value, date, NOW)
        expect(ms === null || (Number.isSafeInteger(ms) && ms >= 0)).toBe(true)
      }),
    )
  })
})

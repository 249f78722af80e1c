import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { backoffMs, LONGEST_RETRY_AFTER_MS, SHORTEST_WAIT_MS, serverWaitMs } from '../../src/domain/backoff.js'

const rule = { baseMs: 5000, maxMs: 600_000 }

describe('backoff', () => {
  test('the ceiling doubles with each failure until the cap', () => {
    const ceilings = [1, 2, 3, 4, 5, 6, 7, 8, 9].map((failure) => backoffMs(failure, rule, 1))
    expect(ceilings).toEqual([5000, 10_000, 20_000, 40_000, 80_000, 160_000, 320_000, 600_000, 600_000])
  })

  test('full jitter: anywhere between now and the ceiling, and never nothing', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5000 }),
        fc.double({ min: 0, max: 0.999999, noNaN: true }),
        (failure, random) => {
          const ms = backoffMs(failure, rule, random)
          expect(Number.isInteger(ms)).toBe(true)
          expect(ms).toBeGreaterThanOrEqual(1)
          expect(ms).toBeLessThanOrEqual(rule.maxMs)
        },
      ),
    )
  })
})

test('a Retry-After within the accepted range is never shortened', () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1e18, noNaN: true }), (asked) => {
      const ms = serverWaitMs(asked)
      expect(Number.isInteger(ms)).toBe(true)
      expect(ms).toBeGreaterThanOrEqual(Math.min(asked, LONGEST_RETRY_AFTER_MS))
      expect(ms).toBeGreaterThanOrEqual(SHORTEST_WAIT_MS)
      expect(ms).toBeLessThanOrEqual(LONGEST_RETRY_AFTER_MS)
    }),
  )
})

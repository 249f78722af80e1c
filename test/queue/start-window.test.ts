import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { rateWindowFor } from '../../src/queue/throttle.js'

describe('the rate', () => {
  test('windows have one start, or some 0.6 to 1.2 s and a few', () => {
    expect(rateWindowFor(10)).toEqual({ max: 1, duration: 6021 })
    expect(rateWindowFor(60)).toEqual({ max: 1, duration: 1001 })
    expect(rateWindowFor(300)).toEqual({ max: 6, duration: 1201 })
    expect(rateWindowFor(77)).toEqual({ max: 1, duration: 780 })
    expect(rateWindowFor(Number.POSITIVE_INFINITY).max).toBeGreaterThan(1_000_000)
  })

  test('more than 99.5 % of the usual limits is used, with each window 3 ms late', () => {
    for (const limit of [5, 10, 20, 30, 60, 100, 120, 200, 300, 500, 600, 1000, 1200, 3000, 6000, 60_000]) {
      const { max, duration } = rateWindowFor(limit)
      expect({ limit, used: (max * 60_000) / (duration + 3) / limit >= 0.995 }).toEqual({ limit, used: true })
    }
  })

  test.each([
    [0, 0],
    [60, 1],
    [120, 2],
    [180, 3],
  ])(
    'a minute holds at most the limit, also where its first calls arrive %i ms late, with windows %i ms late',
    (lateMs, windowLateMs) => {
      fc.assert(
        fc.property(fc.integer({ min: 1, max: 100_000 }), (limit) => {
          const { max, duration } = rateWindowFor(limit)
          expect(max * Math.ceil((60_000 + lateMs) / (duration + windowLateMs))).toBeLessThanOrEqual(limit)
          expect((max * 60_000) / (duration + 3)).toBeGreaterThan(limit * 0.98)
        }),
        { numRuns: 2000 },
      )
    },
  )

  test('both numbers are positive integers, for any rate', () => {
    fc.assert(
      fc.property(fc.double({ min: 0.01, max: 1e7, noNaN: true }), (callsPerMinute) => {
        const { max, duration } = rateWindowFor(callsPerMinute)
        expect(Number.isInteger(max) && max >= 1).toBe(true)
        expect(Number.isInteger(duration) && duration >= 100).toBe(true)
      }),
    )
  })

  test.each([0, -1, Number.NaN])('%p is not a rate', (nonsense) => {
    expect(() => rateWindowFor(nonsense)).toThrow(RangeError)
  })
})

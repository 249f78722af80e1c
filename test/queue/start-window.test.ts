import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { callsPerMinuteOf, windowFor } from '../../src/queue/throttle.js'

describe('the rate', () => {
  test('up to 1,200 a minute, starts are spread one by one', () => {
    expect(windowFor(300)).toEqual({ max: 1, duration: 201 })
    expect(windowFor(600)).toEqual({ max: 1, duration: 100 })
    expect(windowFor(1200)).toEqual({ max: 1, duration: 50 })
  })

  test.each([0.5, 5, 7, 10, 60])('at %p a minute a call may arrive 400 ms late without a 429', (limit) => {
    const { max, duration } = windowFor(limit)
    expect(max).toBe(1)
    expect(duration * limit).toBeGreaterThanOrEqual(60_400)
    expect(duration * limit).toBeLessThan(60_600)
  })

  test('above, windows of 50 ms allow several starts', () => {
    expect(windowFor(60_000)).toEqual({ max: 50, duration: 50 })
    expect(windowFor(1_000_000_000)).toEqual({ max: 833_333, duration: 50 })
    expect(windowFor(Number.POSITIVE_INFINITY).max).toBeGreaterThan(1_000_000)
  })

  test('the window never exceeds the rate; both numbers are positive integers', () => {
    fc.assert(
      fc.property(fc.double({ min: 0.01, max: 1e7, noNaN: true }), (callsPerMinute) => {
        const window = windowFor(callsPerMinute)
        expect(Number.isInteger(window.max) && window.max >= 1).toBe(true)
        expect(Number.isInteger(window.duration) && window.duration >= 50).toBe(true)
        expect(callsPerMinuteOf(window)).toBeLessThanOrEqual(callsPerMinute * (1 + 1e-9))
        expect(callsPerMinuteOf(window)).toBeGreaterThan(callsPerMinute * 0.49)
      }),
    )
  })

  test.each([0, -1, Number.NaN])('%p is not a rate', (nonsense) => {
    expect(() => windowFor(nonsense)).toThrow(RangeError)
  })
})

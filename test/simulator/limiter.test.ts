import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { createLimiter } from '../../src/simulator/limiter.js'
import { LIMIT_KINDS } from '../../src/simulator/options.js'

/** Requests as fast as allowed or slower: waits between them in milliseconds. */
const traffic = fc.array(fc.integer({ min: 0, max: 400 }), { minLength: 1, maxLength: 200 })

function passedAt(kind: (typeof LIMIT_KINDS)[number], limit: number, waits: readonly number[]): number[] {
  const limiter = createLimiter(kind, limit, 1000, 0)
  const passed: number[] = []
  let now = 0
  for (const wait of waits) {
    now += wait
    if (limiter.take(now) === 0) passed.push(now)
  }
  return passed
}

function mostWithin(windowMs: number, instants: readonly number[]): number {
  return Math.max(
    0,
    ...instants.map((start) => instants.filter((other) => other >= start && other < start + windowMs).length),
  )
}

describe('the three ways to count a minute', () => {
  test('a sliding window never lets more than the limit through in any stretch of its length', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 8 }), traffic, (limit, waits) => {
        expect(mostWithin(1000, passedAt('sliding', limit, waits))).toBeLessThanOrEqual(limit)
      }),
    )
  })

  test('a fixed window lets no more than the limit through between two of its borders', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 8 }), traffic, (limit, waits) => {
        const perWindow = new Map<number, number>()
        for (const instant of passedAt('fixed', limit, waits)) {
          const window = Math.floor(instant / 1000)
          perWindow.set(window, (perWindow.get(window) ?? 0) + 1)
        }
        expect(Math.max(0, ...perWindow.values())).toBeLessThanOrEqual(limit)
      }),
    )
  })

  test('a fixed window lets two limits through across a border, which a sliding one does not', () => {
    const waits = [999, 0, 0, 1, 0, 0]
    expect(mostWithin(1000, passedAt('fixed', 3, waits))).toBe(6)
    expect(mostWithin(1000, passedAt('sliding', 3, waits))).toBe(3)
  })

  test('a token bucket lets the whole limit through at once and then one for every even part of the minute', () => {
    const burst = passedAt('token', 4, [0, 0, 0, 0, 0])
    expect(burst).toHaveLength(4)
    expect(passedAt('token', 4, [0, 0, 0, 0, 249, 1, 249, 1])).toEqual([0, 0, 0, 0, 250, 500])
  })

  test.each(LIMIT_KINDS)('%s: who waits as long as it was told gets through, and not a little sooner', (kind) => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 8 }), traffic, (limit, waits) => {
        const limiter = createLimiter(kind, limit, 1000, 0)
        let now = 0
        for (const wait of waits) {
          now += wait
          const told = limiter.take(now)
          if (told === 0) continue
          expect(limiter.remaining(now)).toBe(0)
          // A millisecond of grace on both sides: waits are rounded and never shorter than one.
          if (told > 2) expect(limiter.take(now + told - 2)).toBeGreaterThan(0)
          now += told + 1
          expect(limiter.take(now)).toBe(0)
        }
      }),
    )
  })

  test.each(LIMIT_KINDS)(
    '%s: what remains goes down by one with each request and a refused one costs nothing',
    (kind) => {
      const limiter = createLimiter(kind, 3, 1000, 0)
      const left = [0, 1, 2, 3, 4].map(() => {
        limiter.take(10)
        return limiter.remaining(10)
      })
      expect(left).toEqual([2, 1, 0, 0, 0])
    },
  )

  test.each(LIMIT_KINDS)('%s: a limit that is lowered, raised or lifted holds from the next request on', (kind) => {
    const limiter = createLimiter(kind, 5, 1000, 0)
    for (const _ of [1, 2, 3]) expect(limiter.take(10)).toBe(0)
    limiter.setLimit(2)
    expect(limiter.take(10)).toBeGreaterThan(0)
    limiter.setLimit(4)
    expect(limiter.take(10)).toBe(0)
    expect(limiter.take(10)).toBeGreaterThan(0)
    limiter.setLimit(null)
    for (const _ of [1, 2, 3, 4, 5, 6]) expect(limiter.take(10)).toBe(0)
  })
})

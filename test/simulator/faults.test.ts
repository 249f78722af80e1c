import { request } from 'node:http'
import { describe, expect, test } from '@jest/globals'
import { checkFaultRule, createFaults } from '../../src/simulator/faults.js'
import { SIMULATOR_KEY } from '../../src/simulator/options.js'
import type { Simulator } from '../../src/simulator/simulator.js'
import { eventually, withSimulator } from './setup.js'

/** A search whose response is watched byte by byte: what came, and how it ended. */
function watch(simulator: Simulator, query: string) {
  const seen = { status: 0, promised: 0, bytes: 0, chunks: 0, ended: '' }
  const call = request(`${simulator.url}/search`, {
    method: 'POST',
    agent: false,
    headers: { authorization: `Bearer ${SIMULATOR_KEY}` },
  })
  const done = new Promise<typeof seen>((resolve) => {
    const end = (how: string) => {
      seen.ended ||= how
      resolve(seen)
    }
    call.on('error', () => end('cut'))
    call.on('response', (response) => {
      seen.status = response.statusCode ?? 0
      seen.promised = Number(response.headers['content-length'])
      response.on('data', (chunk: Buffer) => {
        seen.bytes += chunk.length
        seen.chunks += 1
      })
      response.on('end', () => end('whole'))
      response.on('error', () => end('cut'))
    })
  })
  call.end(JSON.stringify({ query, limit: 1 }))
  return { seen, done, leave: () => call.destroy() }
}

describe('which calls a rule strikes', () => {
  const struck = (rule: Parameters<typeof checkFaultRule>[0], queries: readonly string[]) => {
    const faults = createFaults(1, [checkFaultRule(rule)])
    return queries.filter((query) => faults.match('search', query, query) !== null)
  }
  const does = { status: 500 }

  test.each([
    ['a part of the query, letter case ignored', { match: 'ROCK', does }, ['hard rock']],
    ['a pattern', { match: /^pop\b/, does }, ['pop one']],
    ['a pattern written as JSON', { match: '/^POP/i', does }, ['pop one', 'popcorn']],
    ['a pattern with the g flag, every time', { match: /pop/g, does }, ['pop one', 'popcorn']],
    ['everything', { does }, ['hard rock', 'pop one', 'popcorn']],
  ])('matches %s', (_, rule, expected) => {
    expect(struck(rule, ['hard rock', 'pop one', 'popcorn'])).toEqual(expected)
  })

  test('counts the first calls of each search apart, or all together, or after some', () => {
    const calls = ['a', 'a', 'a', 'b', 'b', 'b']
    expect(struck({ times: 2, does }, calls)).toEqual(['a', 'a', 'b', 'b'])
    expect(struck({ timesInTotal: 4, does }, calls)).toEqual(['a', 'a', 'a', 'b'])
    expect(struck({ skip: 2, timesInTotal: 2, does }, calls)).toEqual(['a', 'b'])
  })

  test('a rate strikes the same calls whatever their order, and about that share of them', () => {
    const queries = Array.from({ length: 1000 }, (_, index) => `query ${index}`)
    const once = struck({ rate: 0.1, does }, queries)
    expect(new Set(struck({ rate: 0.1, does }, [...queries].reverse()))).toEqual(new Set(once))
    expect(once.length).toBeGreaterThan(60)
    expect(once.length).toBeLessThan(140)
    expect(struck({ rate: 0, does }, queries)).toEqual([])
    expect(struck({ rate: 1, does }, queries)).toHaveLength(1000)
  })

  test('the first rule that applies decides, and a cleared one no longer does', () => {
    const faults = createFaults(1, [{ id: 'first', match: 'a', does: 'cut' }])
    const second = faults.add({ does: 'hang' })
    expect(faults.match('search', 'a', 'a')?.id).toBe('first')
    expect(faults.match('search', 'b', 'b')?.id).toBe(second)
    expect(faults.clear('first')).toBe(true)
    expect(faults.match('search', 'a', 'a')?.id).toBe(second)
    expect(faults.clear()).toBe(true)
    expect(faults.match('search', 'a', 'a')).toBeNull()
    expect(faults.clear('first')).toBe(false)
  })

  test.each([
    [{}, /does: expected/],
    [{ does: 'explode' }, /one of: hang, cut/],
    [{ does, rate: 2 }, /rate: expected a number from 0 to 1, found 2/],
    [{ does, times: -1 }, /times/],
    [{ does: { status: 42 } }, /does/],
    ['cut', /expected an object/],
  ])('a rule that makes no sense is refused: %j', (rule, message) => {
    expect(() => checkFaultRule(rule)).toThrow(message)
  })
})

describe('what a rule does', () => {
  test('any status, with a body and headers of choice, free of charge', () =>
    withSimulator(
      {
        faults: [
          {
            match: 'full',
            does: { status: 503, body: '<h1>busy</h1>', headers: { 'Retry-After': '7', 'X-RateLimit-Limit': '9' } },
          },
          { match: 'wait', does: { status: 429 }, ms: 2500 },
          { match: 'odd', does: { status: 418, body: { error: 'teapot' } } },
        ],
        perMinute: 100,
      },
      async ({ simulator, search }) => {
        const full = await search({ query: 'full' })
        expect([full.status, full.text]).toEqual([503, '<h1>busy</h1>'])
        expect([full.headers.get('retry-after'), full.headers.get('x-ratelimit-limit')]).toEqual(['7', '9'])
        const wait = await search({ query: 'wait' })
        expect([wait.status, wait.headers.get('retry-after')]).toEqual([429, '3'])
        expect([(await search({ query: 'odd' })).text, simulator.paid()]).toEqual(['{"error":"teapot"}', 0])
      },
    ))

  test.each([
    ['html', /^<!doctype html>/, 'text/html; charset=utf-8'],
    ['empty', /^$/, 'application/json; charset=utf-8'],
    ['truncated', /^\{"tracks":\[\{.*[^}]$/, 'application/json; charset=utf-8'],
    ['not the shape', /^\{"ok":true,/, 'application/json; charset=utf-8'],
  ] as const)('%s: a complete 200 that is none, and is paid for', (does, pattern, type) =>
    withSimulator({ faults: [{ does }] }, async ({ simulator, search }) => {
      const answer = await search({ query: 'a', limit: 2 })
      expect([answer.status, answer.headers.get('content-type')]).toEqual([200, type])
      expect(answer.text).toMatch(pattern)
      expect(simulator.calls()).toMatchObject([{ status: 200, charged: 1, finished: 'answered', fault: 'fault-1' }])
    }),
  )

  test('cut: the connection ends before a byte of the answer, free of charge', () =>
    withSimulator({ faults: [{ does: 'cut' }] }, async ({ simulator }) => {
      expect(await watch(simulator, 'a').done).toMatchObject({ status: 0, bytes: 0, ended: 'cut' })
      expect(simulator.calls()).toMatchObject([{ status: null, charged: 0, finished: 'cut' }])
    }))

  test('cut in the answer: half of the promised bytes arrive, and it is paid for', () =>
    withSimulator({ faults: [{ does: 'cut in the answer' }] }, async ({ simulator }) => {
      const seen = await watch(simulator, 'a').done
      expect(seen).toMatchObject({ status: 200, bytes: Math.floor(seen.promised / 2), ended: 'cut' })
      expect(seen.bytes).toBeGreaterThan(0)
      expect(simulator.calls()).toMatchObject([{ status: 200, charged: 1, finished: 'cut' }])
    }))

  test('hang: nothing comes until somebody leaves, and closing the simulator does not wait for it', () =>
    withSimulator({ faults: [{ does: 'hang' }] }, async ({ simulator }) => {
      const call = watch(simulator, 'a')
      await simulator.waitForCalls(1, 40_000)
      expect(simulator.calls()).toMatchObject([{ finished: 'hung', charged: 0, answeredAt: null }])
      await simulator.close()
      expect(await call.done).toMatchObject({ status: 0, ended: 'cut' })
    }))

  test('drip: the right answer comes byte by byte', () =>
    withSimulator({ faults: [{ does: 'drip', ms: 0 }] }, async ({ simulator }) => {
      const seen = await watch(simulator, 'a').done
      expect(seen).toMatchObject({ status: 200, bytes: seen.promised, ended: 'whole' })
      expect(seen.chunks).toBeGreaterThan(10)
    }))

  test('late: the right answer comes, but not before its time', () =>
    withSimulator({ faults: [{ does: 'late', ms: 80 }] }, async ({ simulator, search }) => {
      expect((await search({ query: 'a' })).status).toBe(200)
      const [call] = simulator.calls()
      expect((call?.answeredAt ?? 0) - (call?.receivedAt ?? 0)).toBeGreaterThanOrEqual(75)
    }))

  test.each([
    ['hang', true],
    ['cut', true],
    ['truncated', false],
    [{ status: 500 }, true],
    [{ status: 200 }, false],
  ] as const)('the rule has the last word on the credit: %j, charged %s', (does, charged) =>
    withSimulator({ faults: [{ does, charged }], credits: 5 }, async ({ simulator }) => {
      const call = watch(simulator, 'a')
      await simulator.waitForCalls(1, 40_000)
      expect([simulator.paid(), simulator.credits()]).toEqual(charged ? [1, 4] : [0, 5])
      call.leave()
      await call.done
    }),
  )

  test('under the worst charge rule a hanging call costs a credit too', () =>
    withSimulator({ chargeRule: 'once started', faults: [{ does: 'hang' }] }, async ({ simulator }) => {
      const call = watch(simulator, 'a')
      await simulator.waitForCalls(1, 40_000)
      expect(simulator.paid()).toBe(1)
      call.leave()
      await call.done
    }))

  test('/me and /usage fail by rules of their own', () =>
    withSimulator({ faults: [{ endpoint: 'me', does: { status: 500 } }] }, async ({ simulator, search, get }) => {
      expect([(await get('/me')).status, (await get('/usage')).status]).toEqual([500, 200])
      expect((await search({ query: 'a' })).status).toBe(200)
      simulator.clearFault()
      expect((await get('/me')).status).toBe(200)
    }))

  test('a request that would be refused anyway is refused as ever', () =>
    withSimulator({ credits: 0, faults: [{ does: 'truncated' }] }, async ({ search }) => {
      expect((await search({ query: 'a' })).status).toBe(402)
    }))

  test('a caller that leaves during the latency has paid: the log calls it abandoned', () =>
    withSimulator({ latencyMs: 60_000 }, async ({ simulator }) => {
      const call = watch(simulator, 'a')
      await simulator.waitForCalls(1, 40_000)
      expect(simulator.calls()).toMatchObject([{ finished: 'open', charged: 1 }])
      call.leave()
      await call.done
      await eventually('the log to notice', () => simulator.calls()[0]?.finished === 'abandoned')
    }))
})

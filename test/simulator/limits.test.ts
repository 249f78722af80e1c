import { describe, expect, test } from '@jest/globals'
import { LIMIT_KINDS } from '../../src/simulator/options.js'
import { startSimulator } from '../../src/simulator/simulator.js'
import { eventually, withSimulator } from './setup.js'

describe('limits over the wire', () => {
  test.each(LIMIT_KINDS)('%s: the documented 429 after as many as the limit, free of charge', (limitKind) =>
    withSimulator({ limitKind, perMinute: 3, credits: 10 }, async ({ simulator, search }) => {
      for (const left of ['2', '1', '0']) {
        const answer = await search({ query: left })
        expect(answer.status).toBe(200)
        expect(answer.headers.get('x-ratelimit-limit')).toBe('3')
        expect(answer.headers.get('x-ratelimit-remaining')).toBe(left)
      }
      const refused = await search({ query: 'one too many' })
      expect(refused.status).toBe(429)
      expect(JSON.parse(refused.text)).toEqual({ error: 'Too Many Requests', message: 'Rate limit exceeded' })
      expect(refused.headers.get('x-ratelimit-remaining')).toBe('0')
      const wait = Number(refused.headers.get('retry-after'))
      expect(wait).toBeGreaterThanOrEqual(1)
      expect(wait).toBeLessThanOrEqual(60)
      expect(simulator.paid()).toBe(3)
    }),
  )

  test('a minute can be made short, and ends', () =>
    withSimulator({ perMinute: 1, minuteMs: 200, limitKind: 'sliding' }, async ({ search }) => {
      const status = async () => (await search({ query: 'a' })).status
      await eventually('two calls within one minute', async () => (await status()) === 429)
      await eventually('the next minute', async () => (await status()) === 200)
    }))

  test('the day has its own 429, with a long wait, while the minute still has room', () =>
    withSimulator({ perMinute: 100, perDay: 2 }, async ({ search }) => {
      for (const query of ['a', 'b']) expect((await search({ query })).status).toBe(200)
      const refused = await search({ query: 'c' })
      expect(refused.status).toBe(429)
      expect(refused.headers.get('x-ratelimit-remaining-daily')).toBe('0')
      expect(refused.headers.get('x-ratelimit-limit-daily')).toBe('2')
      expect(Number(refused.headers.get('x-ratelimit-remaining'))).toBe(98)
      expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(60)
    }))

  test('what another program does shows in the balance and in what remains of the minute', () =>
    withSimulator({ perMinute: 10, credits: 100 }, async ({ simulator, search, get }) => {
      expect(simulator.useElsewhere(4)).toBe(4)
      const answer = await search({ query: 'a' })
      expect(answer.headers.get('x-ratelimit-remaining')).toBe('5')
      expect(answer.headers.get('x-credits-remaining')).toBe('95')
      expect(simulator.useElsewhere(50)).toBe(5)
      expect((await search({ query: 'b' })).status).toBe(429)
      expect(simulator.paid()).toBe(1)
      expect(JSON.parse((await get('/usage')).text).total_count).toBe(11)
    }))

  test('/me is outside the limit', () =>
    withSimulator({ perMinute: 1 }, async ({ search, get }) => {
      await search({ query: 'a' })
      expect((await get('/me')).status).toBe(200)
    }))

  test('the limit can be changed while it runs, and the headers can be kept back', () =>
    withSimulator({ headers: false }, async ({ simulator, search }) => {
      simulator.setLimit(1)
      expect((await search({ query: 'a' })).status).toBe(200)
      const refused = await search({ query: 'b' })
      expect(refused.status).toBe(429)
      expect([...refused.headers.keys()].filter((name) => name.startsWith('x-'))).toEqual([])
      expect(refused.headers.has('retry-after')).toBe(true)
      simulator.setLimit(null)
      expect((await search({ query: 'b' })).status).toBe(200)
    }))

  test('a misspelt option is refused with the names there are', async () => {
    await expect(startSimulator(JSON.parse('{"perMinut":5}'))).rejects.toThrow(/no such .*: perMinut; .*perMinute/)
  })

  test('an option outside its list is refused with the list', async () => {
    const wrong = withSimulator({ limitKind: 'leaky' as 'token' }, async () => {})
    await expect(wrong).rejects.toThrow('limitKind: expected one of fixed, sliding, token, found leaky')
  })
})

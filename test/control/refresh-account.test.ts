import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { applyRateLimit } from '../../src/control/rate-limit.js'
import { refreshAccount } from '../../src/control/refresh-account.js'
import { openSharedKeyDetector } from '../../src/control/shared-key.js'
import { createLimiter } from '../../src/simulator/limiter.js'
import type { LimitKind } from '../../src/simulator/options.js'
import { type InProcessSystem, startInProcess } from '../support/in-process-system.js'

let system: InProcessSystem
beforeEach(async () => {
  system = await startInProcess({ simulator: { tier: 'starter', perMinute: 10, credits: 300 } })
})
afterEach(() => system.close())

const account = () => system.store.account.get()

describe('what GET /me says', () => {
  test('is stored: tier, balance, allowance and limits', async () => {
    expect(await refreshAccount(system)).toMatchObject({
      kind: 'ok',
      account: { tier: 'starter', creditsRemaining: 300, monthlyAllowance: 300, limitPerMinute: 10, limitPerDay: 1000 },
    })
  })

  test('does not clear fields that it omits', async () => {
    const silent = await startInProcess({ simulator: { accountDetails: false, headers: false, credits: 7 } })
    try {
      await silent.store.account.update({ limitPerMinute: 300, tier: 'pro', monthlyAllowance: 50_000 }, 5)
      await refreshAccount(silent)
      expect(await silent.store.account.get()).toMatchObject({
        limitPerMinute: 300,
        tier: 'pro',
        monthlyAllowance: 50_000,
        creditsRemaining: 7,
      })
    } finally {
      await silent.close()
    }
  })

  test('a daily limit that is no longer sent is cleared', async () => {
    await system.store.account.update({ limitPerDay: 50, remainingToday: 0 }, 5)
    const unlimited = await startInProcess({ simulator: { perDay: null } })
    try {
      await refreshAccount({ ...system, api: unlimited.api })
      expect(await account()).toMatchObject({ limitPerDay: null, remainingToday: null })
    } finally {
      await unlimited.close()
    }
  })

  test('a lower balance from a concurrent answer wins', async () => {
    await system.store.account.update({ creditsRemaining: 250 }, 5)
    const me = async () => {
      const answer = await system.api.me()
      await system.store.account.update({ creditsRemaining: 240 }, 10)
      return answer
    }
    await refreshAccount({ ...system, api: { ...system.api, me } })
    expect((await account()).creditsRemaining).toBe(240)
    await refreshAccount(system)
    expect((await account()).creditsRemaining).toBe(300)
  })

  test('a key that is not accepted, and an API that fails, change nothing', async () => {
    await refreshAccount(system)
    system.simulator.fail({ endpoint: 'me', timesInTotal: 1, does: { status: 500 } })
    expect(await refreshAccount(system)).toMatchObject({ kind: 'failed', reason: expect.stringContaining('500') })
    system.simulator.revokeKey()
    expect(await refreshAccount(system)).toEqual({ kind: 'unauthorized' })
    expect((await account()).creditsRemaining).toBe(300)
  })
})

describe('the pace', () => {
  const follow = (rateLimit: number | 'auto', others = 0) => applyRateLimit({ ...system, rateLimit }, others)
  const pace = async () => (await system.queue.throttle.rate())?.callsPerMinute

  test("is the lowest tier's until the API sends one, then follows the API", async () => {
    expect(await follow('auto')).toBe(5)
    await refreshAccount(system)
    expect(await follow('auto')).toBe(10)
    expect(await follow('auto')).toBeNull()
    system.simulator.setLimit(300)
    await refreshAccount(system)
    expect(await follow('auto')).toBe(300)
    expect(await pace()).toBe(300)
  })

  test("the operator's word stands above the API's", async () => {
    await refreshAccount(system)
    expect(await follow(120)).toBe(120)
    expect(await follow(60)).toBe(60)
  })

  test('is set again in a Redis that lost it', async () => {
    await follow(120)
    await system.redis.flush()
    expect(await follow(120)).toBe(120)
  })

  test('leaves others on the key their share, never less than a tenth for us, and takes it back', async () => {
    await system.store.account.update({ limitPerMinute: 300 }, 5)
    await follow('auto')
    expect(await follow('auto', 100)).toBe(200)
    expect(await follow('auto', 96)).toBeNull()
    expect(await follow('auto', 1000)).toBe(30)
    expect(await follow(100, 100)).toBe(100)
    expect(await follow('auto')).toBe(300)
    expect(system.log.logged('rate_limit.shared')).toHaveLength(3)
  })
})

/** A minute of calls against the simulator's own limiter, in steps of 100 ms; what a response would say is heard. */
describe('another program on the same key', () => {
  const LIMIT = 300
  const STEP_MS = 100

  async function minutes(kind: LimitKind, elsewherePerMinute: number, count: number, limit = LIMIT) {
    let time = 0
    const sent: number[] = []
    const calls = {
      ...system.store.calls,
      sentBetween: async (from: number, to: number) => sent.filter((at) => at > from && at <= to).length,
    }
    const key = openSharedKeyDetector({ store: { calls }, clock: { now: () => time, monotonicMs: () => time } })
    const limiter = createLimiter(kind, limit, 60_000, -7000)
    let ours = 0
    let theirs = 0
    let refused = 0
    let others = 0
    const seen: number[] = []
    for (time = 0; time < count * 60_000; time += STEP_MS) {
      const pace = Math.max(limit / 10, limit - others)
      for (theirs += (elsewherePerMinute * STEP_MS) / 60_000; theirs >= 1; theirs -= 1) limiter.take(time)
      for (ours += (pace * 0.99 * STEP_MS) / 60_000; ours >= 1; ours -= 1) {
        sent.push(time)
        if (limiter.take(time) > 0) refused += 1
        key.heard({ limitPerMinute: limit, remainingThisMinute: limiter.remaining(time) })
      }
      if (time % 2000 === 0) {
        others = await key.others()
        seen.push(others)
      }
    }
    return { seen, refused, sent: sent.length }
  }

  const ALONE = (['fixed', 'sliding', 'token'] as const).flatMap((kind) =>
    [5, 10, 300].map((limit) => ({ kind, limit })),
  )
  test.each(ALONE)('no other client is seen on a key of our own: $kind, $limit a minute', async ({ kind, limit }) => {
    const { seen, refused } = await minutes(kind, 0, 4, limit)
    expect(Math.max(...seen)).toBe(0)
    expect(refused).toBe(0)
  })

  test.each(['fixed', 'sliding'] as const)('a client that uses 100 of 300 a minute keeps them: %s', async (kind) => {
    const { seen } = await minutes(kind, 100, 6)
    const settled = seen.slice(-60)
    expect(Math.min(...settled)).toBeGreaterThan(80)
    expect(Math.max(...settled)).toBeLessThan(125)
  })

  test('what was seen by a clock that was ahead is forgotten when it is set right', async () => {
    let time = 0
    const key = openSharedKeyDetector({
      store: { calls: { ...system.store.calls, sentBetween: async () => 0 } },
      clock: { now: () => time, monotonicMs: () => 0 },
    })
    time = 86_400_000
    key.heard({ limitPerMinute: 60, remainingThisMinute: 9 })
    expect(await key.others()).toBe(51)
    time = 8000
    expect(await key.others()).toBe(0)
  })

  test('a difference of a few calls is no client: GET /me, clock skew', async () => {
    const { seen } = await minutes('sliding', 10, 4)
    expect(Math.max(...seen)).toBe(0)
  })
})

import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { status } from '../../src/batches/status.js'
import { pauseMessage, type StatusFacts, statusMessage } from '../../src/batches/status-message.js'
import { waitFor } from '../../src/batches/wait.js'
import { systemClock } from '../../src/domain/clock.js'
import { PAUSE_CAUSES } from '../../src/domain/pause-cause.js'
import { feed } from '../../src/maintenance/feeder.js'
import { batchNamed, type InProcessSystem, queries, refOf, startInProcess } from '../support/in-process-system.js'

/** Noon wherever this runs: the hours around it are of the same day. */
const NOW = new Date(2026, 2, 1, 12).getTime()
const QUIET: StatusFacts = {
  pauses: [],
  watch: { askedAt: null, nextAt: null },
  autoResumeMs: 24 * 3_600_000,
  workers: 1,
  troubles: [],
  rateLimitedUntil: null,
  heldBecause: null,
  outOfToday: false,
  probing: false,
  due: 0,
  active: 0,
  delayed: 0,
  nextAttemptAt: null,
  silence: null,
  limitPerMinute: 300,
  callsLastMinute: 0,
  rateLimitedCalls: null,
  failedCalls: null,
  refused: [],
  creditsRemaining: null,
  withheld: 0,
  now: NOW,
}
const said = (changes: Partial<StatusFacts>) => statusMessage({ ...QUIET, ...changes })

describe('the one sentence', () => {
  test('the first that applies: paused, no workers, held, running, idle', () => {
    const all = {
      due: 12,
      workers: 0,
      rateLimitedUntil: NOW + 60_000,
      pauses: [{ cause: 'operator', since: NOW, detail: '' }],
    } as const
    expect(said(all).state).toBe('paused')
    expect(said({ ...all, pauses: [] }).state).toBe('no workers')
    expect(said({ ...all, pauses: [], workers: 2 }).state).toBe('held')
    expect(said({ ...all, pauses: [], workers: 2, rateLimitedUntil: NOW - 1 }).state).toBe('running')
    expect(said({}).state).toBe('idle')
  })

  test('names a search that is refused again and again', () => {
    const refused = {
      query: 'Harbour at Dawn',
      kind: 'out_of_credits',
      said: { status: 402, words: 'Out of credits' },
      moreRefusals: 3,
    } as const
    expect(said({ due: 5, refused: [refused], creditsRemaining: 180 }).reason).toBe(
      'Running: 0 calls in the last minute of 300 allowed; 5 searches due. 1 search is refused again and again ' +
        '(HTTP 402: "Out of credits") although the account has 180 credits: "Harbour at Dawn"; it is tried behind the ' +
        'others and becomes a dead letter after 3 more refusals.',
    )
    const limited = { ...refused, kind: 'rate_limited', said: { status: 429, words: '' }, moreRefusals: null } as const
    expect(said({ due: 5, refused: [limited] }).reason).toMatch(
      /1 search is refused again and again \(HTTP 429\) while others are not: "Harbour at Dawn"; it is tried behind the others\.$/,
    )
    const long = { ...refused, query: `long\n${'x'.repeat(500)}`, moreRefusals: 1 }
    expect(said({ due: 5, refused: [long, limited, limited], creditsRemaining: 1 }).reason).toMatch(
      /3 searches are refused again and again and are tried behind the others\. The first is "long x{74}…" \(HTTP 402: "Out of credits"\), although the account has 1 credit; it becomes a dead letter after 1 more refusal\.$/,
    )
  })

  test('tells why calls fail, before there are enough for a pause', () => {
    const failing = (calls: number, callsLastMinute: number) =>
      said({ due: 30, callsLastMinute, failedCalls: { calls, reason: 'the proxy refused: HTTP 407' } }).reason
    expect(failing(1, 1)).toMatch(
      /30 searches due\. The last call failed \("the proxy refused: HTTP 407"\): each search/,
    )
    expect(failing(3, 200)).toMatch(/The last 3 calls failed/)
    expect(failing(2, 200)).toMatch(/30 searches due\.$/)
  })

  test('a hold tells the words of the API', () => {
    const held = { due: 1, rateLimitedUntil: NOW + 42_000, heldBecause: 'Too Many Requests: Slow down' }
    expect(said(held).reason).toMatch(
      /no calls until \S+ \(the API says "Too Many Requests: Slow down"\); 1 search due/,
    )
  })

  test('with nothing due it is idle, held or not, and says so where no worker runs', () => {
    expect(said({ rateLimitedUntil: NOW + 60_000 })).toMatchObject({ state: 'idle', reason: 'Nothing is due.' })
    const nobody = 'Nothing is due, and no worker runs.'
    expect(said({ workers: 0 })).toEqual({ state: 'no workers', reason: nobody, until: null })
    expect(said({ withheld: 90 }).reason).toMatch(/90 rows are withheld by a cap: `trackyard-batch release BATCH`/)
    expect(said({ withheld: 90, workers: 0 }).reason).toMatch(/^Nothing is due, and no worker runs; 90 rows are with/)
  })

  test('a Redis that cannot be asked comes first, and nothing is said of workers that nobody knows', () => {
    const silence = 'Redis at redis://somewhere does not answer: start it.'
    const unknown = `${silence} What workers do at the moment is therefore unknown.`
    const nobody = said({ silence, workers: 0, due: 2 })
    expect(nobody).toEqual({ state: 'no workers', reason: `${unknown} 2 searches due.`, until: null })
    expect(said({ silence, workers: 0, withheld: 90 }).reason).toMatch(/unknown\. Nothing is due; 90 rows are withheld/)
    const pauses = [{ cause: 'operator', since: NOW, detail: '' }] as const
    const paused = said({ silence, workers: 0, due: 2, pauses })
    expect(paused.state).toBe('paused')
    expect(paused.reason).toMatch(/^Redis at .* unknown\. Paused by hand since .* 2 searches wait\.$/)
  })

  test('a store that takes nothing is why nothing moves: since when, the cause, and not to kill the worker', () => {
    const save = { kind: 'save', since: NOW - 1000, cause: 'The store was locked by another process.' } as const
    const since = new Date(NOW - 1000).toLocaleString('sv-SE').slice(11)
    const stuck = said({
      due: 7,
      rateLimitedUntil: NOW + 60_000,
      troubles: [{ ...save, since: NOW }, save],
      workers: 2,
    })
    expect(stuck).toEqual({
      state: 'held',
      reason: `No calls: 2 workers cannot save paid answers since ${since} (The store was locked by another process). It is tried again all the time. Nothing is lost while the worker lives: do not kill it. 7 searches due.`,
      until: null,
    })
    const claim = { ...save, kind: 'claim' } as const
    expect(said({ due: 7, troubles: [claim] }).reason).toMatch(/^No calls: 1 worker cannot write to the store since/)
    expect(said({ due: 7, troubles: [claim] }).reason).not.toMatch(/do not kill/)
    expect(said({ due: 7, troubles: [claim, save], workers: 2 }).reason).toMatch(/ 1 of 2 workers cannot save /)
  })

  test('a store that is lost comes before other trouble, with its own next step', () => {
    const cause = 'The store /data/trackyard.db was moved away. Move it back: calls go on by themselves.'
    const lost = { kind: 'lost', since: NOW - 1000, cause } as const
    const save = { kind: 'save', since: NOW - 5000, cause: 'The disk is full.' } as const
    const since = new Date(NOW - 1000).toLocaleString('sv-SE').slice(11)
    expect(said({ due: 7, troubles: [save, lost], workers: 2 })).toEqual({
      state: 'held',
      reason: `No calls: 1 of 2 workers lost the store at ${since}. ${cause} 7 searches due.`,
      until: null,
    })
  })

  test('where others work, or it is paused, what one of them cannot save stands behind the rest', () => {
    const troubles = [{ kind: 'save', since: NOW, cause: 'The disk is full.' }] as const
    const some = said({ due: 7, troubles, workers: 3 })
    expect(some.state).toBe('running')
    expect(some.reason).toMatch(/^Running: .* 7 searches due\. 1 of 3 workers cannot save paid answers since/)
    const pauses = [{ cause: 'operator', since: NOW, detail: '' }] as const
    expect(said({ due: 7, troubles, pauses })).toMatchObject({ state: 'paused' })
    expect(said({ due: 7, troubles, pauses }).reason).toMatch(/^Paused by hand .* 1 worker cannot save/)
    expect(said({ troubles }).reason).toMatch(/^Nothing is due\. 1 worker cannot save/)
  })

  test('a hold has one visible end; that of the day is told from that of the minute', () => {
    expect(said({ due: 1, rateLimitedUntil: NOW + 42_000 })).toMatchObject({ until: NOW + 42_000 })
    expect(said({ due: 1, rateLimitedUntil: NOW + 42_000 }).reason).toMatch(
      /asked us to wait \(rate limit\).*1 search due/,
    )
    const wave = { calls: 200, from: NOW - 600_000, to: NOW - 599_000 }
    const again = {
      due: 1,
      rateLimitedUntil: NOW + 42_000,
      rateLimitedCalls: { calls: 20, from: NOW - 600_000, to: NOW },
    }
    const since = new Date(NOW - 600_000).toLocaleString('sv-SE').slice(11)
    expect(said(again).reason).toContain(
      ` 1 search due. Every call since ${since} was told to wait, for free: look for `,
    )
    expect(said({ ...again, rateLimitedCalls: { ...again.rateLimitedCalls, calls: 19 } }).reason).toMatch(
      /1 search due\.$/,
    )
    expect(said({ ...again, rateLimitedCalls: wave }).reason).toMatch(/1 search due\.$/)
    const day = said({ due: 5, rateLimitedUntil: NOW + 13 * 3_600_000, outOfToday: true }).reason
    expect(day).toMatch(
      /The day's limit of calls is used up: no calls until 2026-03-0\d \d\d:\d\d:\d\d; 5 searches due/,
    )
  })

  test('a probe, a backoff and an ordinary night are told apart', () => {
    expect(said({ due: 7, probing: true }).reason).toMatch(/one call at a time until one succeeds; 7 searches due/)
    const at = new Date(NOW + 60_000).toLocaleString('sv-SE').slice(11)
    const waiting = { due: 3, delayed: 3, nextAttemptAt: NOW + 60_000 }
    expect(said(waiting).reason).toBe(`3 searches wait for another attempt, the first at ${at}.`)
    expect(said({ ...waiting, due: 1, delayed: 1 }).reason).toBe(`1 search waits for another attempt, at ${at}.`)
    expect(said({ due: 7, callsLastMinute: 291 }).reason).toMatch(/291 calls in the last minute of 300 allowed/)
    expect(said({ due: 7, limitPerMinute: null }).reason).not.toMatch(/allowed/)
  })

  test.each(PAUSE_CAUSES)('a pause for %s says since when, why and what ends it', (cause) => {
    const text = pauseMessage({ cause, since: NOW, detail: 'the detail' }, NOW, QUIET)
    expect(text).toMatch(/since \d\d:\d\d:\d\d/)
    expect(text).toContain('the detail')
    expect(text).toMatch(/`trackyard-batch |lower TRACKYARD_CREDIT_RESERVE/)
  })

  test.each(['no_credits', 'reserve'] as const)(
    '%s says when the balance was asked for and is asked for next',
    (cause) => {
      const pauses = [{ cause, since: NOW - 60_000, detail: 'the detail' }]
      const watch = { askedAt: NOW - 30_000, nextAt: NOW + 30_000 }
      const clock = (at: number) => new Date(at).toLocaleString('sv-SE').slice(11)
      const [last, next] = [clock(NOW - 30_000), clock(NOW + 30_000)]
      expect(said({ pauses, watch }).reason).toContain(
        ` The balance was last asked for at ${last} and is asked for next at ${next}. `,
      )
      expect(said({ pauses, watch, workers: 0 }).reason).toContain(` The balance was last asked for at ${last}. `)
      expect(said({ pauses, watch: { ...watch, askedAt: NOW - 90_000 } }).reason).toContain(
        ` The balance is asked for next at ${next}. `,
      )
      expect(said({ pauses, watch: { askedAt: null, nextAt: NOW - 1 } }).reason).not.toContain('The balance ')
    },
  )

  test.each(['no_credits', 'reserve'] as const)(
    '%s says until when it goes on by itself, and afterwards that `resume` is needed',
    (cause) => {
      const pauses = [{ cause, since: NOW - 2 * 3_600_000, detail: 'the detail' }]
      const watch = { askedAt: NOW - 3_600_000, nextAt: NOW + 30_000 }
      const at = (ms: number) => new Date(ms).toLocaleString('sv-SE')
      const still = said({ pauses, watch }).reason
      const byHand = cause === 'reserve' ? '' : ', or with `trackyard-batch resume`'
      expect(still).toContain(`, until ${at(NOW + 22 * 3_600_000)}${byHand}.`)
      const over = said({ pauses, watch, autoResumeMs: 3_600_000 }).reason
      expect(over).toContain(
        `, then \`trackyard-batch resume\`: it does not go on by itself since ${at(NOW - 3_600_000).slice(11)} (TRACKYARD_AUTO_RESUME_HOURS).`,
      )
      const never = said({ pauses, watch, autoResumeMs: 0 }).reason
      expect(never).toContain(
        ', then `trackyard-batch resume`: it never goes on by itself (TRACKYARD_AUTO_RESUME_HOURS is 0).',
      )
      for (const left of [over, never]) expect(left).not.toMatch(/; it goes on by itself|asked for next/)
    },
  )

  test('out of credits says what the waiting searches need; other causes are named beside the first', () => {
    const pauses = [
      { cause: 'no_credits', since: NOW, detail: 'Out of credits' },
      { cause: 'operator', since: NOW, detail: '' },
    ] as const
    expect(said({ pauses, due: 70 }).reason).toMatch(/70 searches wait and need 70 credits\. Also paused: operator\./)
    expect(said({ pauses: pauses.slice(1), due: 70 }).reason).not.toMatch(/need/)
  })
})

describe('the report', () => {
  let registry: InProcessSystem
  beforeEach(async () => {
    registry = await startInProcess()
  })
  afterEach(() => registry.close())
  const alive = () => registry.queue.registry.heartbeat({ id: 'w', trouble: null })

  test('waiting counts what is due, in Redis or not; withheld is not due', async () => {
    await registry.submit(queries(40), { maxCredits: 25 })
    expect((await registry.status()).queue).toMatchObject({ waiting: 25, state: 'no workers', workers: 0 })
    await feed(registry)
    expect((await registry.status()).queue.waiting).toBe(25)
    expect((await registry.status()).batches).toMatchObject([{ items: 40, waiting: 25, withheld: 15 }])
  })

  test('the finish is due searches at the pace, from the end of a hold on; unknown while nothing moves', async () => {
    await registry.submit(queries(30))
    await alive()
    const env = { TRACKYARD_RATE_LIMIT: '60' }
    const eta = async () => Date.parse((await registry.status(env)).eta ?? '')
    const before = registry.now()
    const finish = await eta()
    expect(finish - before).toBeGreaterThan(28_000)
    expect(finish - registry.now()).toBeLessThan(31_000)
    await registry.queue.throttle.setRate(60)
    const until = registry.now() + 120_000
    await registry.queue.throttle.rateLimit(until)
    await alive()
    expect((await eta()) - until).toBeGreaterThan(28_000)
    await alive()
    expect((await registry.status(env)).queue).toMatchObject({ state: 'held' })
    await registry.store.pauses.add({ cause: 'operator', since: 1, detail: '' })
    expect(await registry.status(env)).toMatchObject({ eta: null, queue: { state: 'paused', causes: ['operator'] } })
  })

  test('the finish is not before the last search that waits for another attempt', async () => {
    await registry.submit(queries(2))
    const from = registry.now()
    await registry.queue.boardQueues.search.add('search', { query: 'sooner' }, { delay: 300_000 })
    await registry.queue.boardQueues.search.add('search', { query: 'later' }, { delay: 600_000 })
    await alive()
    const { eta, queue } = await registry.status()
    expect(Date.parse(eta ?? '')).toBeGreaterThanOrEqual(from + 600_000)
    expect(Date.parse(eta ?? '')).toBeLessThanOrEqual(registry.now() + 600_000)
    const { first = 0 } = (await registry.queue.searches.delays()) ?? {}
    expect(first).toBeGreaterThanOrEqual(from + 300_000)
    expect(first).toBeLessThanOrEqual(registry.now() + 300_000)
    const at = new Date(first).toLocaleString('sv-SE').slice(11)
    expect(queue.reason).toBe(`2 searches wait for another attempt, the first at ${at}.`)
  })

  test('where every call has been told to wait for long, no finish is promised', async () => {
    await registry.submit(queries(2))
    await registry.queue.throttle.setRate(60)
    await registry.queue.throttle.rateLimit(registry.now() + 600_000)
    await alive()
    expect((await registry.status()).eta).not.toBeNull()
    const totals = async (now: number) => ({
      ...(await registry.store.reports.totals(now)),
      rateLimitedCalls: { calls: 30, from: now - 3_600_000, to: now },
    })
    const store = { ...registry.store, reports: { ...registry.store.reports, totals } }
    await alive()
    const report = await status({ store, queue: registry.queue, now: registry.now, settings: registry.settings() })
    expect(report).toMatchObject({
      eta: null,
      queue: { state: 'held', reason: expect.stringContaining('Every call since') },
    })
  })

  test('shows the pace that workers keep to where it is less than the limit', async () => {
    await registry.store.account.update({ limitPerMinute: 300 }, 1)
    const auto = { TRACKYARD_RATE_LIMIT: 'auto' }
    await registry.queue.throttle.setRate(200)
    expect((await registry.status(auto)).pace.limit_per_minute).toBe(300)
    await alive()
    expect((await registry.status(auto)).pace.limit_per_minute).toBe(200)
  })

  test('without Redis the record is reported, hold included', async () => {
    await registry.submit(queries(3))
    await registry.store.pauses.rateLimit(registry.now() + 60_000, registry.now())
    const report = await status({
      store: registry.store,
      queue: null,
      now: registry.now,
      settings: registry.settings(),
    })
    expect(report.queue).toMatchObject({ waiting: 3, active: 0, workers: 0, state: 'no workers' })
  })

  test('money: spent counts answers, unknown outcomes stand beside it', async () => {
    await registry.submit(['a', 'b'])
    const rules = { now: registry.now(), openCallMaxAgeMs: 1000, creditReserve: 0, apiUrl: 'http://127.0.0.1' }
    await registry.store.calls.claim(refOf('a'), { ...rules, now: registry.now() - 10_000 })
    await registry.store.calls.expire(registry.now())
    expect((await registry.status()).credits).toEqual({ remaining: null, spent: 0, unknown_outcomes: 1 })
  })
})

describe('waiting for a batch', () => {
  let registry: InProcessSystem
  const parts = () => ({ store: registry.store, monotonicMs: systemClock.monotonicMs })
  beforeEach(async () => {
    registry = await startInProcess()
  })
  afterEach(() => registry.close())

  test('ends with the last verdict, dead letters included', async () => {
    registry.simulator.fail({ match: 'scene 3', does: { status: 400 } })
    const id = await registry.submit(queries(5))
    await registry.worker()
    expect(await waitFor(parts(), id, { timeoutMs: 40_000 })).toBe('done')
    expect((await registry.status()).batches).toMatchObject([{ tagged: 4, dead: 1 }])
  })

  test('says that only withheld rows remain, or that time is up', async () => {
    const capped = await registry.submit(queries(5), { maxCredits: 0 })
    expect(await waitFor(parts(), capped, { timeoutMs: null })).toBe('withheld')
    const open = await registry.submit(queries(5, 'other'))
    expect(await waitFor(parts(), open, { timeoutMs: 0 })).toBe('time is up')
  })

  test('ends with a batch that is dropped before its release, which is not done', async () => {
    const id = await registry.store.batches.create({ ...batchNamed('left'), createdAt: registry.now() })
    const waited = await waitFor(parts(), id, { timeoutMs: 40_000, onLook: () => registry.store.batches.drop(id) })
    expect(waited).toBe('dropped')
  })

  test('measures the time that it is given with the monotonic clock', async () => {
    const id = await registry.submit(queries(1))
    let ms = 0
    const monotonicMs = () => {
      ms += 60_000
      return ms
    }
    expect(await waitFor({ store: registry.store, monotonicMs }, id, { timeoutMs: 600_000 })).toBe('time is up')
  })

  test('ends in time, and by its signal, while a look at Redis does not end', async () => {
    const id = await registry.submit(queries(1))
    const endless = () => new Promise<void>(() => {})
    let looks = 0
    const endlessFromTheSecondOn = () => {
      looks += 1
      return looks > 1 ? endless() : undefined
    }
    expect(await waitFor(parts(), id, { timeoutMs: 1500, onLook: endlessFromTheSecondOn })).toBe('time is up')
    const interrupt = new AbortController()
    const onLook = () => {
      interrupt.abort()
      return endless()
    }
    await expect(waitFor(parts(), id, { timeoutMs: null, signal: interrupt.signal, onLook })).rejects.toThrow(/abort/i)
  })

  test('is interrupted by its signal', async () => {
    const id = await registry.submit(queries(5))
    const interrupt = new AbortController()
    const waiting = waitFor(parts(), id, {
      timeoutMs: null,
      signal: interrupt.signal,
      onLook: () => interrupt.abort(),
    })
    await expect(waiting).rejects.toThrow(/abort/i)
  })
})

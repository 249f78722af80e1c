import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { forecast } from '../../src/batches/estimate.js'
import { loadBatch } from '../../src/batches/load-batch.js'
import { pauseMessage } from '../../src/batches/pause-message.js'
import { status } from '../../src/batches/status.js'
import { type StatusFacts, statusMessage } from '../../src/batches/status-message.js'
import { waitFor } from '../../src/batches/wait.js'
import { parseActiveHours } from '../../src/domain/active-hours.js'
import { systemClock } from '../../src/domain/clock.js'
import { PAUSE_CAUSES } from '../../src/domain/pause.js'
import { feed } from '../../src/maintenance/feeder.js'
import type { Store } from '../../src/store/store.js'
import { openProcessor } from '../processing/setup.js'
import {
  batchNamed,
  type InProcessSystem,
  queries,
  refOf,
  rowsOf,
  startInProcess,
} from '../support/in-process-system.js'
import { limitRate } from '../support/pauses.js'

/** Noon wherever this runs: the hours around it are of the same day. */
const NOW = new Date(2026, 2, 1, 12).getTime()
const QUIET: StatusFacts = {
  pauses: [],
  activeHours: null,
  hoursOverriddenUntil: null,
  watch: { askedAt: null, nextAt: null },
  autoResumeMs: 24 * 3_600_000,
  workers: 1,
  writeFailures: [],
  rateLimitedUntil: null,
  rateLimitDetail: null,
  outOfToday: false,
  probing: false,
  due: 0,
  active: 0,
  delayed: 0,
  nextAttemptAt: null,
  redisProblem: null,
  limitPerMinute: 300,
  callsLastMinute: 0,
  rateLimitStreak: null,
  failureStreak: null,
  refused: [],
  mismatches: [],
  creditsRemaining: null,
  withheld: 0,
  withheldBatch: null,
  now: NOW,
}
const said = (changes: Partial<StatusFacts>) => statusMessage({ ...QUIET, ...changes })

describe('the status message', () => {
  test('shows the first state that applies: paused, no workers, held, running, idle', () => {
    const all = {
      due: 12,
      workers: 0,
      rateLimitedUntil: NOW + 60_000,
      pauses: [{ cause: 'operator', since: NOW, detail: '' }],
    } as const
    expect(said(all).state).toBe('paused')
    expect(said({ ...all, pauses: [] }).state).toBe('no_workers')
    expect(said({ ...all, pauses: [], workers: 2 }).state).toBe('rate_limited')
    expect(said({ ...all, pauses: [], workers: 2, rateLimitedUntil: NOW - 1 }).state).toBe('running')
    expect(said({}).state).toBe('idle')
  })

  test('calls refused by 429 are no progress', () => {
    const calls = { due: 90, callsLastMinute: 69, rateLimitStreak: { calls: 69, from: NOW - 50_000, to: NOW } }
    expect(said(calls).reason).toBe(
      'Running: 69 calls in the last minute, limit 300; 90 searches due. ' +
        '0 answered since 11:59:10, 69 refused with HTTP 429 (free of charge).',
    )
    const more = { ...calls, rateLimitStreak: { ...calls.rateLimitStreak, calls: 200 } }
    expect(said(more).reason).toContain('200 or more refused')
    expect(said({ ...calls, rateLimitStreak: { calls: 2, from: NOW, to: NOW } }).reason).not.toContain('429')
  })

  test('an outage names its next probe, unless that is overdue', () => {
    const pauses = [{ cause: 'outage', since: NOW - 60_000, detail: 'HTTP 503' }] as const
    const at = (nextAt: number) => said({ due: 2, pauses, watch: { askedAt: null, nextAt } }).reason
    expect(at(NOW + 30_000)).toMatch(/since 11:59:00 \(HTTP 503\).* Next probe at 12:00:30\.$/)
    expect(at(NOW - 1)).not.toContain('Next probe')
  })

  test('names a worker with another setting than the others', () => {
    const differs = { setting: 'TRACKYARD_CREDIT_RESERVE', here: '0', inForce: '100', host: 'night-box', pid: 4711 }
    expect(said({ due: 5, mismatches: [differs] }).reason).toMatch(
      /due\. In the worker with pid 4711 on night-box, TRACKYARD_CREDIT_RESERVE is 0, in others 100: set the same value everywhere\.$/,
    )
    expect(said({ mismatches: [differs, differs, differs] }).reason).toContain('100 (2 more such settings): set')
  })

  test('names a search that the API keeps refusing', () => {
    const refused = {
      query: 'Harbour at Dawn',
      kind: 'out_of_credits',
      said: { status: 402, words: 'Out of credits' },
      moreRefusals: 3,
    } as const
    expect(said({ due: 5, refused: [refused], creditsRemaining: 180 }).reason).toBe(
      'Running: 0 calls in the last minute, limit 300; 5 searches due. The API keeps refusing 1 search ' +
        '(HTTP 402: "Out of credits") although the account has 180 credits: "Harbour at Dawn". It runs after the ' +
        'others and becomes a dead letter after 3 more refusals.',
    )
    const limited = { ...refused, kind: 'rate_limited', said: { status: 429, words: '' }, moreRefusals: null } as const
    expect(said({ due: 5, refused: [limited] }).reason).toMatch(
      /The API keeps refusing 1 search \(HTTP 429\) while it accepts others: "Harbour at Dawn"\. It runs after the others\.$/,
    )
    const long = { ...refused, query: `long\n${'x'.repeat(500)}`, moreRefusals: 1 }
    expect(said({ due: 5, refused: [long, limited, limited], creditsRemaining: 1 }).reason).toMatch(
      /The API keeps refusing 3 searches\. The first is "long x{74}…" \(HTTP 402: "Out of credits"\), although the account has 1 credit\. It runs after the others and becomes a dead letter after 1 more refusal\.$/,
    )
  })

  test('tells why calls fail, before there are enough for a pause', () => {
    const failing = (calls: number, callsLastMinute: number) =>
      said({ due: 30, callsLastMinute, failureStreak: { calls, reason: 'the proxy refused: HTTP 407' } }).reason
    expect(failing(1, 1)).toMatch(
      /30 searches due\. The last call failed \("the proxy refused: HTTP 407"\): each search/,
    )
    expect(failing(3, 200)).toMatch(/The last 3 calls failed/)
    expect(failing(2, 200)).toMatch(/30 searches due\.$/)
  })

  test('a rate limit quotes the API', () => {
    const held = { due: 1, rateLimitedUntil: NOW + 42_000, rateLimitDetail: 'Too Many Requests: Slow down' }
    expect(said(held).reason).toMatch(
      /no calls until \S+ \(the API says "Too Many Requests: Slow down"\); 1 search due/,
    )
  })

  test('with nothing due it is idle, rate limited or not; a missing worker is named', () => {
    expect(said({ rateLimitedUntil: NOW + 60_000 })).toMatchObject({ state: 'idle', reason: 'Nothing is due.' })
    const nobody = 'Nothing is due, and no worker is running.'
    expect(said({ workers: 0 })).toEqual({ state: 'no_workers', reason: nobody, until: null })
    const withheldBatch = { id: 7, maxCredits: null, charged: 20 }
    expect(said({ withheld: 1, withheldBatch }).reason).toBe(
      'Nothing is due; 1 row is withheld by a cap. Run `trackyard-batch release 7` to continue with it.',
    )
    expect(said({ withheld: 90 }).reason).toMatch(
      /90 rows are withheld by a cap\. Run `trackyard-batch release BATCH --max-credits N`/,
    )
    expect(said({ withheld: 90, withheldBatch: { ...withheldBatch, maxCredits: 30 } }).reason).toContain('release 7`')
    expect(said({ withheld: 90, withheldBatch: { ...withheldBatch, maxCredits: 20 } }).reason).toContain(
      '`trackyard-batch release 7 --max-credits N` to continue',
    )
    expect(said({ withheld: 90, workers: 0 }).reason).toMatch(
      /^Nothing is due, and no worker is running; 90 rows are with/,
    )
  })

  test('an unreachable Redis comes first, and the state of the workers is unknown', () => {
    const redisProblem = 'Redis at redis://somewhere does not answer. Start it.'
    const unknown = `${redisProblem} The state of the workers is unknown.`
    const nobody = said({ redisProblem, workers: 0, due: 2 })
    expect(nobody).toEqual({ state: 'unknown', reason: `${unknown} 2 searches due.`, until: null })
    expect(said({ redisProblem, workers: 0, withheld: 90 }).reason).toMatch(
      /unknown\. Nothing is due; 90 rows are withheld/,
    )
    const pauses = [{ cause: 'operator', since: NOW, detail: '' }] as const
    const paused = said({ redisProblem, workers: 0, due: 2, pauses })
    expect(paused.state).toBe('paused')
    expect(paused.reason).toMatch(
      /^Redis at .* unknown\. Paused by hand since .* 2 searches wait\. Run `trackyard-batch resume` to continue\.$/,
    )
  })

  test('a failing write shows cause, since when, and not to kill the worker', () => {
    const save = { kind: 'save', since: NOW - 1000, cause: 'The store was locked by another process.' } as const
    const since = new Date(NOW - 1000).toLocaleString('sv-SE').slice(11)
    const stuck = said({
      due: 7,
      rateLimitedUntil: NOW + 60_000,
      writeFailures: [{ ...save, since: NOW }, save],
      workers: 2,
    })
    expect(stuck).toEqual({
      state: 'write_failure',
      reason: `No calls: 2 workers have been unable to save paid answers since ${since} (The store was locked by another process). Remove the cause; they retry by themselves. Paid answers are kept in their memory: do not kill them. 7 searches due.`,
      until: null,
    })
    const claim = { ...save, kind: 'claim' } as const
    expect(said({ due: 7, writeFailures: [claim] }).reason).toMatch(
      /^No calls: 1 worker has been unable to write to the store since/,
    )
    expect(said({ due: 7, writeFailures: [claim] }).reason).not.toMatch(/do not kill/)
    expect(said({ due: 7, writeFailures: [claim, save], workers: 2 }).reason).toMatch(
      / 1 of 2 workers has been unable to save .* kept in its memory: do not kill it\./,
    )
  })

  test('a lost store comes before other write failures, with its own next step', () => {
    const cause = 'The store /data/trackyard.db was moved away. Move it back: calls go on by themselves.'
    const lost = { kind: 'lost', since: NOW - 1000, cause } as const
    const save = { kind: 'save', since: NOW - 5000, cause: 'The disk is full.' } as const
    const since = new Date(NOW - 1000).toLocaleString('sv-SE').slice(11)
    expect(said({ due: 7, writeFailures: [save, lost], workers: 2 })).toEqual({
      state: 'write_failure',
      reason: `No calls: 1 of 2 workers lost the store at ${since}. ${cause} 7 searches due.`,
      until: null,
    })
  })

  test('a write failure comes last while others work, or during a pause', () => {
    const writeFailures = [{ kind: 'save', since: NOW, cause: 'The disk is full.' }] as const
    const some = said({ due: 7, writeFailures, workers: 3 })
    expect(some.state).toBe('running')
    expect(some.reason).toMatch(
      /^Running: .* 7 searches due\. 1 of 3 workers has been unable to save paid answers since/,
    )
    const pauses = [{ cause: 'operator', since: NOW, detail: '' }] as const
    expect(said({ due: 7, writeFailures, pauses })).toMatchObject({ state: 'paused' })
    expect(said({ due: 7, writeFailures, pauses }).reason).toMatch(
      /^Paused by hand .* 1 worker has been unable to save/,
    )
    expect(said({ writeFailures }).reason).toMatch(/^Nothing is due\. 1 worker has been unable to save/)
  })

  test('a rate limit has one visible end; daily and minute limits differ', () => {
    expect(said({ due: 1, rateLimitedUntil: NOW + 42_000 })).toMatchObject({ until: NOW + 42_000 })
    expect(said({ due: 1, rateLimitedUntil: NOW + 42_000 }).reason).toMatch(
      /^Rate limited by the API: no calls until \S+; 1 search due\. Calls then resume by themselves\.$/,
    )
    const wave = { calls: 200, from: NOW - 600_000, to: NOW - 599_000 }
    const again = {
      due: 1,
      rateLimitedUntil: NOW + 42_000,
      rateLimitStreak: { calls: 20, from: NOW - 600_000, to: NOW },
    }
    const since = new Date(NOW - 600_000).toLocaleString('sv-SE').slice(11)
    expect(said(again).reason).toContain(
      ` 1 search due. Every call since ${since} got HTTP 429 (free of charge). Check whether another program uses this key`,
    )
    expect(said({ ...again, rateLimitStreak: { ...again.rateLimitStreak, calls: 19 } }).reason).toMatch(
      /1 search due\. Calls then resume by themselves\.$/,
    )
    expect(said({ ...again, rateLimitStreak: wave }).reason).toMatch(
      /1 search due\. Calls then resume by themselves\.$/,
    )
    const day = said({ due: 5, rateLimitedUntil: NOW + 13 * 3_600_000, outOfToday: true }).reason
    expect(day).toMatch(/Daily call limit used up: no calls until 2026-03-0\d \d\d:\d\d:\d\d; 5 searches due/)
  })

  test('a probe, a backoff and ordinary work have different messages', () => {
    expect(said({ due: 7, probing: true }).reason).toMatch(/one call at a time until one succeeds; 7 searches due/)
    const at = new Date(NOW + 60_000).toLocaleString('sv-SE').slice(11)
    const waiting = { due: 3, delayed: 3, nextAttemptAt: NOW + 60_000 }
    expect(said(waiting).reason).toBe(`3 searches wait for another attempt, the first at ${at}.`)
    expect(said({ ...waiting, due: 1, delayed: 1 }).reason).toBe(`1 search waits for another attempt, at ${at}.`)
    expect(said({ due: 7, callsLastMinute: 291 }).reason).toMatch(/291 calls in the last minute, limit 300;/)
    expect(said({ due: 7, limitPerMinute: null }).reason).not.toMatch(/limit/)
  })

  test.each(PAUSE_CAUSES)('a pause for %s shows since when, why and what ends it', (cause) => {
    const text = pauseMessage([{ cause, since: NOW, detail: 'the detail' }], QUIET)
    expect(text).toMatch(/since \d\d:\d\d:\d\d/)
    expect(text).toContain('the detail')
    expect(text).toMatch(/`trackyard-batch |lower TRACKYARD_CREDIT_RESERVE/)
  })

  test('outside the active hours: until when, and how to call now; a worker must run for that', () => {
    const until = NOW + 3 * 3_600_000
    const activeHours = { hours: '15:00-18:00', zone: 'Europe/Berlin', closedFrom: 0, closedUntil: until, nextEnd: 0 }
    const pauses = [{ cause: 'outside_hours', since: NOW - 1000, detail: '15:00-18:00, Europe/Berlin' }] as const
    const clock = (at: number) => new Date(at).toLocaleString('sv-SE').slice(11)
    expect(said({ pauses, activeHours, due: 12 })).toEqual({
      state: 'paused',
      until,
      reason: `Outside the active hours (15:00-18:00, Europe/Berlin): no calls until ${clock(until)}; 12 searches wait. They start by themselves then; to call now, run \`trackyard-batch resume --now\`.`,
    })
    expect(said({ pauses, activeHours, due: 12, workers: 0 }).state).toBe('no_workers')
    const both = [...pauses, { cause: 'no_credits', since: NOW, detail: 'empty' }] as const
    expect(said({ pauses: both, activeHours, due: 12 })).toMatchObject({ state: 'paused', until: null })
    const open = { ...activeHours, closedFrom: NOW + 3_600_000 }
    expect(said({ activeHours: open, due: 12 }).reason).toContain(` end at ${clock(NOW + 3_600_000)}.`)
    expect(said({ activeHours, hoursOverriddenUntil: until, due: 12 }).reason).toContain(
      ` overridden until ${clock(until)}.`,
    )
  })

  test.each(['no_credits', 'reserve'] as const)(
    '%s shows when the balance was last checked and is checked next',
    (cause) => {
      const pauses = [{ cause, since: NOW - 60_000, detail: 'the detail' }]
      const watch = { askedAt: NOW - 30_000, nextAt: NOW + 30_000 }
      const clock = (at: number) => new Date(at).toLocaleString('sv-SE').slice(11)
      const [last, next] = [clock(NOW - 30_000), clock(NOW + 30_000)]
      expect(said({ pauses, watch }).reason).toContain(` Balance last checked at ${last}, next checked at ${next}.`)
      expect(said({ pauses, watch, workers: 0 }).reason).toContain(` Balance last checked at ${last}.`)
      expect(said({ pauses, watch: { ...watch, askedAt: NOW - 90_000 } }).reason).toContain(
        ` Balance next checked at ${next}.`,
      )
      expect(said({ pauses, watch: { askedAt: null, nextAt: NOW - 1 } }).reason).not.toContain(' Balance ')
    },
  )

  test.each(['no_credits', 'reserve'] as const)(
    '%s shows when auto-resume ends, and that `resume` is needed afterwards',
    (cause) => {
      const pauses = [{ cause, since: NOW - 2 * 3_600_000, detail: 'the detail' }]
      const watch = { askedAt: NOW - 3_600_000, nextAt: NOW + 30_000 }
      const at = (ms: number) => new Date(ms).toLocaleString('sv-SE')
      const still = said({ pauses, watch }).reason
      const byHand = cause === 'reserve' ? '' : ', or with `trackyard-batch resume`'
      expect(still).toContain(
        ` Calls then resume by themselves if the balance suffices by ${at(NOW + 22 * 3_600_000)}${byHand}.`,
      )
      const over = said({ pauses, watch, autoResumeMs: 3_600_000 }).reason
      expect(over).toContain(
        `, then run \`trackyard-batch resume\`: auto-resume ended at ${at(NOW - 3_600_000).slice(11)} (TRACKYARD_AUTO_RESUME_HOURS).`,
      )
      const never = said({ pauses, watch, autoResumeMs: 0 }).reason
      expect(never).toContain(
        ', then run `trackyard-batch resume`: auto-resume is off (TRACKYARD_AUTO_RESUME_HOURS is 0).',
      )
      for (const left of [over, never]) expect(left).not.toMatch(/resume by themselves|checked/)
    },
  )

  test('no credits shows what the waiting searches need', () => {
    const pauses = [{ cause: 'no_credits', since: NOW, detail: 'Out of credits' }] as const
    expect(said({ pauses, due: 70 }).reason).toMatch(/70 searches wait and need 70 credits\. Top up\. Calls then/)
    expect(said({ pauses: [{ ...pauses[0], cause: 'operator' }], due: 70 }).reason).not.toMatch(/need/)
  })

  test('a pause by hand keeps its reason beside another one, which then does not end by itself', () => {
    const byHand = { cause: 'operator', since: NOW - 60_000, detail: 'lunch' } as const
    const empty = { cause: 'no_credits', since: NOW, detail: 'Out of credits' } as const
    expect(said({ pauses: [byHand, empty], due: 70 }).reason).toBe(
      'Paused: no credits left since 12:00:00 (the API says "Out of credits"). 70 searches wait and need 70 credits. ' +
        'Top up, then run `trackyard-batch resume`: only that ends the other pause. ' +
        'Also paused by hand since 11:59:00 (lunch).',
    )
    expect(said({ pauses: [byHand], rateLimitedUntil: NOW + 60_000, due: 1 }).reason).toMatch(
      /Run `trackyard-batch resume` to continue\. Also rate limited by the API until 12:01:00\.$/,
    )
  })

  test.each(PAUSE_CAUSES.filter((cause) => cause !== 'outside_hours'))(
    'a pause for %s names a missing worker, if it is known that none runs',
    (cause) => {
      const pauses = [{ cause, since: NOW, detail: 'the detail' }]
      const nobody = 'No worker is running: start one with `trackyard-batch up`.'
      const watch = { askedAt: null, nextAt: NOW + 30_000 }
      expect(said({ pauses, watch, workers: 0, due: 2 }).reason).toContain(` ${nobody} `)
      expect(said({ pauses, watch, workers: 0, due: 2 }).reason).not.toMatch(/next checked|Next probe/)
      expect(said({ pauses, workers: 1, due: 2 }).reason).not.toContain('No worker')
      expect(said({ pauses, workers: 0, due: 2, redisProblem: 'Redis is away.' }).reason).not.toContain('No worker')
    },
  )
})

describe('the report', () => {
  let system: InProcessSystem
  beforeEach(async () => {
    system = await startInProcess()
  })
  afterEach(() => system.close())
  const alive = () => system.queue.registry.heartbeat({ id: 'w', writeFailure: null })

  test('waiting counts what is due, in Redis or not; withheld is not due', async () => {
    await system.submit(queries(40), { maxCredits: 25 })
    expect((await system.status()).queue).toMatchObject({ waiting: 25, state: 'no_workers', workers: 0 })
    await feed(system)
    expect((await system.status()).queue.waiting).toBe(25)
    expect((await system.status()).batches).toMatchObject([{ rows: 40, waiting: 25, withheld: 15 }])
  })

  test('the finish counts from the end of a rate limit; unknown during a pause', async () => {
    await system.submit(queries(30))
    await alive()
    const env = { TRACKYARD_RATE_LIMIT: '60' }
    const finishAt = async () => Date.parse((await system.status(env)).finish_at ?? '')
    const before = system.now()
    const finish = await finishAt()
    expect(finish - before).toBeGreaterThan(28_000)
    expect(finish - system.now()).toBeLessThan(31_000)
    await system.queue.throttle.setRate(60)
    const until = system.now() + 120_000
    await system.queue.throttle.rateLimit(until)
    await alive()
    expect((await finishAt()) - until).toBeGreaterThan(28_000)
    await alive()
    expect((await system.status(env)).queue).toMatchObject({ state: 'rate_limited' })
    await system.store.pauses.add({ cause: 'operator', since: 1, detail: '' })
    expect(await system.status(env)).toMatchObject({
      finish_at: null,
      queue: { state: 'paused', causes: ['operator'] },
    })
  })

  test('each batch finishes after more urgent and older ones, and its deadline is measured by that', async () => {
    const low = await system.submit(queries(30, 'low'), { priority: 'low' })
    const first = await system.submit(queries(60))
    const env = { TRACKYARD_RATE_LIMIT: '60' }
    await system.store.account.update({ creditsRemaining: 1000 }, 1)
    await alive()
    const finishes = async () => {
      const { batches, finish_at } = await system.status(env)
      const of = (id: number) => Date.parse(batches.find(({ batch }) => batch === id)?.finish_at ?? '')
      return { low: of(low), first: of(first), all: Date.parse(finish_at ?? '') }
    }
    const at = await finishes()
    expect(at.low).toBe(at.all)
    expect(at.all - at.first).toBe(30_000)
    expect((await system.status(env)).batches).toMatchObject([{ credits_needed: 60 }, { credits_needed: 30 }])
    await system.store.account.update({ creditsRemaining: 70 }, 2)
    await alive()
    const short = await finishes()
    expect(short).toMatchObject({ low: Number.NaN, all: Number.NaN })
    expect(short.first).toBeGreaterThan(system.now())
  })

  test('a batch that is over keeps its deadline, and whether it was met', async () => {
    const deadline = system.now()
    const submit = async (query: string, at: number) => {
      const batch = await loadBatch(system, batchNamed(query), rowsOf([query]))
      await batch.release({ maxCredits: null, first: null }, { notBefore: null, deadline: at })
      return batch.id
    }
    const ids = [await submit('late', deadline), await submit('met', deadline + 600_000)]
    const cancelled = await submit('cancelled', deadline)
    await system.store.batches.cancel(cancelled, system.now())
    for (const query of ['late', 'met'])
      await openProcessor(system, system.settings(), { random: Math.random }).handle({ ref: refOf(query) })
    const { batches } = await system.status()
    const of = (id: number | undefined) => batches.find(({ batch }) => batch === id)
    const at = new Date(deadline).toISOString()
    expect(of(ids[0])).toMatchObject({ state: 'done', deadline: at, meets_deadline: false })
    expect(of(ids[1])).toMatchObject({ state: 'done', meets_deadline: true })
    expect(of(cancelled)).toMatchObject({ state: 'cancelled', deadline: at, meets_deadline: null })
  })

  test('the finish is not before the last delayed search', async () => {
    await system.submit(queries(2))
    const from = system.now()
    await system.queue.boardQueues.search.add('search', { query: 'sooner' }, { delay: 300_000 })
    await system.queue.boardQueues.search.add('search', { query: 'later' }, { delay: 600_000 })
    await alive()
    const { finish_at, queue } = await system.status()
    expect(Date.parse(finish_at ?? '')).toBeGreaterThanOrEqual(from + 600_000)
    expect(Date.parse(finish_at ?? '')).toBeLessThanOrEqual(system.now() + 600_000)
    const { first = 0 } = (await system.queue.searches.delays()) ?? {}
    expect(first).toBeGreaterThanOrEqual(from + 300_000)
    expect(first).toBeLessThanOrEqual(system.now() + 300_000)
    const at = new Date(first).toLocaleString('sv-SE').slice(11)
    expect(queue.reason).toBe(`2 searches wait for another attempt, the first at ${at}.`)
  })

  test('after a long run of 429 no finish is promised', async () => {
    await system.submit(queries(2))
    await system.queue.throttle.setRate(60)
    await system.queue.throttle.rateLimit(system.now() + 600_000)
    await alive()
    expect((await system.status()).finish_at).not.toBeNull()
    const look: Store['reports']['look'] = async (which, now) => {
      const { totals, ...rest } = await system.store.reports.look(which, now)
      return { ...rest, totals: { ...totals, rateLimitStreak: { calls: 30, from: now - 3_600_000, to: now } } }
    }
    const store = { ...system.store, reports: { ...system.store.reports, look } }
    await alive()
    const report = await status(
      { store, queue: system.queue, now: system.now, settings: system.settings() },
      { limit: 20 },
    )
    expect(report).toMatchObject({
      finish_at: null,
      queue: { state: 'rate_limited', reason: expect.stringContaining('Every call since') },
    })
  })

  test('shows the rate of the workers where it is below the limit', async () => {
    await system.store.account.update({ limitPerMinute: 300 }, 1)
    const auto = { TRACKYARD_RATE_LIMIT: 'auto' }
    await system.queue.throttle.setRate(200)
    expect((await system.status(auto)).calls_per_minute.limit).toBe(300)
    await alive()
    expect((await system.status(auto)).calls_per_minute.limit).toBe(200)
  })

  test('a fraction that another program set as the rate is shown as a whole number', async () => {
    await system.store.account.update({ limitPerMinute: 5000 }, 1)
    await system.queue.boardQueues.search.setGlobalRateLimit(3, 601)
    await alive()
    expect((await system.status({ TRACKYARD_RATE_LIMIT: 'auto' })).calls_per_minute.limit).toBe(300)
  })

  test('without Redis the store is reported, rate limit included', async () => {
    await system.submit(queries(3))
    await limitRate(system.store, system.now() + 60_000, system.now())
    const report = await status(
      { store: system.store, queue: null, now: system.now, settings: system.settings() },
      { limit: 20 },
    )
    expect(report.queue).toMatchObject({ waiting: 3, active: 0, workers: 0, state: 'no_workers' })
  })

  test('spent counts answers; unknown outcomes are counted apart', async () => {
    await system.submit(['a', 'b'])
    const rules = { now: system.now(), openCallMaxAgeMs: 1000, creditReserve: 0, apiUrl: 'http://127.0.0.1', token: 1 }
    await system.store.calls.claim(refOf('a'), { ...rules, now: system.now() - 10_000 })
    await system.store.calls.expire(system.now())
    expect((await system.status()).credits).toMatchObject({ remaining: null, spent: 0, unknown_outcomes: 1 })
  })
})

describe('waiting for a batch', () => {
  let system: InProcessSystem
  const parts = () => ({ store: system.store, monotonicMs: systemClock.monotonicMs })
  beforeEach(async () => {
    system = await startInProcess()
  })
  afterEach(() => system.close())

  test('ends with the last outcome, dead letters included', async () => {
    system.simulator.fail({ match: 'scene 3', does: { status: 400 } })
    const id = await system.submit(queries(5))
    await system.worker()
    expect(await waitFor(parts(), id, { timeoutMs: 120_000 })).toBe('done')
    expect((await system.status()).batches).toMatchObject([{ tagged: 4, dead: 1 }])
  })

  test('reports that only withheld rows remain, or that time is up', async () => {
    const capped = await system.submit(queries(5), { maxCredits: 0 })
    expect(await waitFor(parts(), capped, { timeoutMs: null })).toBe('withheld')
    const open = await system.submit(queries(5, 'other'))
    expect(await waitFor(parts(), open, { timeoutMs: 0 })).toBe('time is up')
  })

  test('ends when a batch is dropped before its release, as dropped, not done', async () => {
    const id = await system.store.batches.create({ ...batchNamed('left'), createdAt: system.now() })
    const waited = await waitFor(parts(), id, { timeoutMs: 120_000, onLook: () => system.store.batches.drop(id) })
    expect(waited).toBe('dropped')
  })

  test('measures its timeout with the monotonic clock', async () => {
    const id = await system.submit(queries(1))
    let ms = 0
    const monotonicMs = () => {
      ms += 60_000
      return ms
    }
    expect(await waitFor({ store: system.store, monotonicMs }, id, { timeoutMs: 600_000 })).toBe('time is up')
  })

  test('ends in time, and by its signal, while a look at Redis hangs', async () => {
    const id = await system.submit(queries(1))
    const endless = () => new Promise<void>(() => {})
    let looks = 0
    const endlessFromTheSecondOn = () => {
      looks += 1
      return looks > 1 ? endless() : undefined
    }
    expect(await waitFor(parts(), id, { timeoutMs: 1500, onLook: endlessFromTheSecondOn })).toBe('time is up')
    const reason = new Error('enough')
    const interrupt = new AbortController()
    const onLook = () => {
      interrupt.abort(reason)
      return endless()
    }
    await expect(waitFor(parts(), id, { timeoutMs: null, signal: interrupt.signal, onLook })).rejects.toBe(reason)
  })

  test('throws the reason of its signal, between two looks and while the store hangs', async () => {
    const id = await system.submit(queries(5))
    const reason = new Error('enough')
    const between = new AbortController()
    const onLook = () => void setImmediate(() => between.abort(reason))
    await expect(waitFor(parts(), id, { timeoutMs: null, signal: between.signal, onLook })).rejects.toBe(reason)
    const batches = () => {
      setImmediate(() => hanging.abort(reason))
      return new Promise<never>(() => {})
    }
    const hanging = new AbortController()
    const store = { ...system.store, reports: { ...system.store.reports, batches } }
    const waiting = waitFor({ ...parts(), store }, id, { timeoutMs: null, signal: hanging.signal })
    await expect(waiting).rejects.toBe(reason)
  })
})

describe('the forecast', () => {
  const account = {
    creditsRemaining: 1000,
    limitPerMinute: 60,
    limitPerDay: null,
    remainingToday: null,
    tier: null,
    monthlyAllowance: null,
    heardAt: null,
    apiUrl: null,
  }
  const work = {
    moves: true,
    from: NOW,
    due: 120,
    lastDelayedUntil: null,
    perMinute: 60,
    account,
    creditReserve: 0,
    within: { hours: null, overriddenUntil: null },
  }

  test('is the end of the work where the credits suffice', () => {
    expect(forecast(work)).toEqual({ finishAt: NOW + 120_000, creditsMissing: 0, creditsEndAt: null })
    const unknown = { ...work, account: { ...account, creditsRemaining: null } }
    expect(forecast(unknown)).toMatchObject({ finishAt: NOW + 120_000, creditsMissing: null })
  })

  test('is the end of the credits where they end first, above the reserve', () => {
    expect(forecast({ ...work, creditReserve: 940 })).toEqual({
      finishAt: null,
      creditsMissing: 60,
      creditsEndAt: NOW + 60_000,
    })
  })

  test('counts the daily limit', () => {
    const daily = { ...account, limitPerDay: 100, remainingToday: 20 }
    expect(forecast({ ...work, account: daily }).finishAt).toBeGreaterThan(NOW + 24 * 3_600_000)
  })

  test('counts the active hours, for the end of the work and of the credits', () => {
    const hours = parseActiveHours('22:00-06:00')
    if (hours === null) throw new Error('expected active hours')
    const from = Date.parse('2026-03-01T05:59:00Z')
    const night = { ...work, from, within: { hours: { hours, zone: 'UTC' }, overriddenUntil: null } }
    expect(forecast(night).finishAt).toBe(Date.parse('2026-03-01T22:01:00Z'))
    expect(forecast({ ...night, creditReserve: 910 }).creditsEndAt).toBe(Date.parse('2026-03-01T22:00:30Z'))
  })

  test('is none while no calls are made, but the shortage is known', () => {
    const empty = { ...work, moves: false, account: { ...account, creditsRemaining: 0 } }
    expect(forecast(empty)).toEqual({ finishAt: null, creditsMissing: 120, creditsEndAt: null })
  })
})

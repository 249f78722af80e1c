import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { checkAccount as accountSays } from '../../src/control/refresh-account.js'
import { UnreachableError } from '../../src/domain/errors.js'
import type { SearchProcessor, SearchRules } from '../../src/processing/process-search.js'
import { type InProcessSystem, queries, refOf, startInProcess } from '../support/in-process-system.js'
import { until } from '../support/until.js'
import { openProcessor } from './setup.js'

/** One job in hand, from claim to decision, on the real store and the simulator. */
let system: InProcessSystem
beforeEach(async () => {
  system = await startInProcess({ simulator: { credits: 100, latencyMs: [0, 8] } })
})
afterEach(() => system.close())

const handlerWith = (rules: Partial<SearchRules> = {}): SearchProcessor => openProcessor(system, rules)
const handle = (handler: SearchProcessor, query: string, round = 1) => handler.handle({ ref: refOf(query, round) })
const balance = async () => (await system.store.account.get()).creditsRemaining
const streak = () => system.store.calls.streak()

test('an answer is committed before the job is completed, and the same job again makes no call', async () => {
  await system.submit(['calm piano'])
  const handler = handlerWith()
  expect(await handle(handler, 'calm piano')).toMatchObject({ do: 'succeed' })
  expect(await handle(handler, 'calm piano')).toMatchObject({ do: 'skip', why: 'answered' })
  expect(system.simulator.calls()).toHaveLength(1)
})

test('the tags of an answer are stored with it', async () => {
  const batch = await system.submit(['calm piano'])
  await handle(handlerWith(), 'calm piano')
  for await (const row of system.store.reports.exportRows(batch)) {
    expect(row).toMatchObject({ status: 'tagged', answer: null })
    expect(JSON.parse(row.tagging ?? 'null')).toMatchObject({ tags: { moods: expect.arrayContaining(['calm']) } })
  }
})

test('two jobs of one search at once make one call; the second job waits', async () => {
  await system.submit(['calm piano'])
  const decisions = await Promise.all([handle(handlerWith(), 'calm piano'), handle(handlerWith(), 'calm piano')])
  expect(decisions.map((decision) => decision.do).sort()).toEqual(['delay', 'succeed'])
  expect(system.simulator.paid()).toBe(1)
})

test('a 429 stops all workers for its Retry-After and uses no attempt', async () => {
  await system.submit(['calm piano'])
  system.simulator.fail({ times: 1, does: { status: 429, headers: { 'retry-after': '42' } } })
  const before = system.now()
  const decision = await handle(handlerWith(), 'calm piano')
  expect(decision).toMatchObject({ do: 'rateLimit', behind: false })
  const until = decision.do === 'rateLimit' ? decision.until : 0
  expect(until - before).toBeGreaterThanOrEqual(42_000)
  expect(until - before).toBeLessThan(58_000)
  expect(await system.store.pauses.rateLimitedUntil(system.now())).toBe(until)
  expect(await system.store.reports.show('r1', null)).toMatchObject({ search: { failures: 0, state: 'waiting' } })
})

test.each([{}, { 'retry-after': '5' }])('a 402 of an empty account pauses (headers %j)', async (headers) => {
  await system.submit(['calm piano', 'dark drums'])
  system.simulator.setCredits(0)
  system.simulator.fail({ does: { status: 402, headers } })
  expect(await handle(handlerWith(), 'calm piano')).toMatchObject({ do: 'pause', cause: 'no_credits' })
  expect(await system.store.pauses.list()).toMatchObject([
    { cause: 'no_credits', detail: 'Out of credits: Please top up or upgrade your plan' },
  ])
  expect(await handle(handlerWith(), 'dark drums')).toEqual({ do: 'requeue' })
  expect(await system.store.pauses.rateLimitedUntil(system.now())).toBeNull()
  expect(await balance()).toBe(0)
  expect(system.simulator.calls()).toHaveLength(1)
})

describe('a refusal that may apply to every search is checked with GET /me', () => {
  const asked: number[] = []
  const checked = (rules: Partial<SearchRules> = {}) => {
    asked.length = 0
    const { store, api, log, now } = system
    const checkAccount = () => {
      asked.push(now())
      return accountSays({ store, api, log, now }, rules.creditReserve ?? 0)
    }
    const handler = openProcessor(system, rules, { checkAccount })
    return (query: string) => handle(handler, query)
  }
  const causes = async () => (await system.store.pauses.list()).map(({ cause }) => cause)

  test('402 with credits left: only that search waits', async () => {
    await system.submit(['calm piano', 'dark drums'])
    system.simulator.fail({ match: 'calm', does: { status: 402 } })
    const call = checked()
    expect(await call('calm piano')).toMatchObject({ do: 'defer', tripped: null })
    expect([await causes(), await balance()]).toEqual([[], 100])
    expect(await call('dark drums')).toMatchObject({ do: 'succeed' })
    expect(await system.store.reports.show('r1', null)).toMatchObject({ search: { failures: 0 } })
    expect(system.log.logged('call.finished').map(({ message }) => message)).toContainEqual(
      expect.stringMatching(/HTTP 402: "Out of credits: .*", this search alone: .* after 9 more refusals/),
    )
  })

  test('402 with no more left than the reserve pauses', async () => {
    await system.submit(['calm piano'])
    await system.store.account.update({ creditsRemaining: 100 }, system.now())
    system.simulator.setCredits(20)
    system.simulator.fail({ does: { status: 402 } })
    expect(await checked({ creditReserve: 20 })('calm piano')).toMatchObject({ do: 'pause', cause: 'no_credits' })
  })

  test.each([402, 401])('%i pauses where GET /me cannot say', async (status) => {
    await system.submit(['calm piano'])
    system.simulator.fail({ does: { status } })
    system.simulator.fail({ endpoint: 'me', does: { status: 503 } })
    const cause = status === 402 ? 'no_credits' : 'unauthorized'
    const decision = status === 402 ? { do: 'pause', cause } : { do: 'deadLetter', pause: cause }
    expect(await checked()('calm piano')).toMatchObject(decision)
    expect(await causes()).toEqual([cause])
  })

  test('401 with a good key is a dead letter without a pause', async () => {
    await system.submit(['calm piano'])
    system.simulator.fail({ does: { status: 401, body: { error: 'Unauthorized', message: 'Not for this query' } } })
    expect(await checked()('calm piano')).toMatchObject({ do: 'deadLetter', pause: null })
    expect((await system.store.deadLetters.list({}, null, 5)).letters).toMatchObject([
      { letter: { status: 401, message: 'Not for this query', remedy: expect.stringContaining('accepts the key') } },
    ])
    expect(await system.store.deadLetters.retry({ reason: 'unauthorized' })).toMatchObject({ retried: 0 })
  })

  test('several refusals at once share one check, and a new call waits for it', async () => {
    await system.submit(queries(6))
    system.simulator.revokeKey()
    system.simulator.fail({ endpoint: 'me', does: 'late', ms: 400 })
    const call = checked()
    await Promise.all(queries(5).map(call))
    expect(asked.length).toBeLessThanOrEqual(2)
    expect(await causes()).toEqual(['unauthorized'])
    expect(await call('scene 6')).toEqual({ do: 'requeue' })
    expect(system.simulator.calls()).toHaveLength(5)
  })

  test('25 searches answered 402 in a row pause after all; while probing, 3', async () => {
    await system.submit(queries(40))
    system.simulator.fail({ does: { status: 402 } })
    const call = checked()
    for (const query of queries(24)) expect(await call(query)).toMatchObject({ do: 'defer', tripped: null })
    expect(await call('scene 25')).toMatchObject({ do: 'defer', tripped: 'no_credits' })
    expect(await system.store.pauses.list()).toMatchObject([
      { cause: 'no_credits', detail: expect.stringMatching(/25 searches in a row, although GET \/me shows credits/) },
    ])
    await system.store.pauses.lift('no_credits', true, Date.now())
    expect(await call('scene 26')).toMatchObject({ tripped: null })
    expect(await call('scene 27')).toMatchObject({ tripped: null })
    expect(await call('scene 28')).toMatchObject({ tripped: 'no_credits' })
  })

  test('25 different searches answered 401 in a row pause for a person to look', async () => {
    await system.submit(queries(25))
    system.simulator.fail({ does: { status: 401 } })
    const call = checked()
    for (const query of queries(24)) expect(await call(query)).toMatchObject({ do: 'deadLetter', tripped: null })
    expect(await call('scene 25')).toMatchObject({ do: 'deadLetter', tripped: 'failing' })
  })
})

describe('a search that is rate limited again and again', () => {
  const limit = () => system.simulator.fail({ match: 'poison', does: { status: 429, headers: { 'retry-after': '1' } } })

  test('goes behind the others and ends as a dead letter', async () => {
    await system.submit(['poison', ...queries(30)])
    limit()
    const handler = handlerWith({ maxAttempts: 3 })
    const call = async (query: string) => {
      await system.store.pauses.liftRateLimit(system.now())
      return handle(handler, query)
    }
    expect(await call('poison')).toMatchObject({ do: 'rateLimit', behind: false })
    expect(await call('poison')).toMatchObject({ do: 'rateLimit', behind: true })
    for (const query of queries(30)) await call(query)
    expect(await call('poison')).toMatchObject({ do: 'defer' })
    expect(await system.store.pauses.rateLimitedUntil(system.now())).toBeNull()
    const { refused } = await system.store.reports.totals(system.now())
    expect(refused).toMatchObject([{ query: 'poison', kind: 'rate_limited', moreRefusals: 6 }])
    for (let more = 1; more < 6; more += 1) expect(await call('poison')).toMatchObject({ do: 'defer' })
    expect(await call('poison')).toMatchObject({ do: 'deadLetter' })
    expect((await system.store.deadLetters.list({}, null, 5)).letters).toMatchObject([
      { letter: { status: 429, error: 'Too Many Requests', message: 'Rate limit exceeded', attempts: 0 } },
    ])
    expect((await system.store.reports.totals(system.now())).refused).toEqual([])
  })

  test('is never dead while others are limited like it', async () => {
    const all = queries(8)
    await system.submit(all)
    system.simulator.fail({ does: { status: 429, headers: { 'retry-after': '1' } } })
    const handler = handlerWith()
    for (let round = 0; round < 10; round += 1) {
      for (const query of all) {
        await system.store.pauses.liftRateLimit(system.now())
        expect(await handle(handler, query)).toMatchObject({ do: 'rateLimit' })
      }
    }
    system.simulator.clearFault()
    for (const query of all) {
      await system.store.pauses.liftRateLimit(system.now())
      expect(await handle(handler, query)).toMatchObject({ do: 'succeed' })
    }
  })

  test('keeps the words of the API in the ledger and the log', async () => {
    await system.submit(['poison'])
    system.simulator.fail({
      does: {
        status: 429,
        body: { error: 'Daily limit', message: 'Come back tomorrow' },
        headers: { 'retry-after': '9' },
      },
    })
    await handle(handlerWith(), 'poison')
    expect(await system.store.reports.show('r1', null)).toMatchObject({
      search: { calls: [{ detail: 'Daily limit · Come back tomorrow · Retry-After 9 s' }] },
    })
    expect(system.log.logged('call.finished')).toEqual([
      expect.objectContaining({
        message: expect.stringMatching(/^rate limited \("Daily limit: Come back tomorrow"\): again in/),
      }),
    ])
    expect(await system.store.pauses.rateLimitDetail(system.now())).toBe('Daily limit: Come back tomorrow')
    await system.store.pauses.liftRateLimit(system.now())
    expect(await system.store.pauses.rateLimitDetail(system.now())).toBeNull()
  })
})

test('answers are logged one by one at debug, and together at info', async () => {
  await system.submit(['calm piano', 'dark drums'])
  const handler = handlerWith()
  for (const query of ['calm piano', 'dark drums']) await handle(handler, query)
  expect(system.log.logged('call.finished').map(({ level }) => level)).toEqual(['debug', 'debug'])
  handler.logSummary()
  handler.logSummary()
  expect(system.log.logged('calls.answered')).toEqual([
    { level: 'info', facts: expect.objectContaining({ calls: 2, creditsLeft: 98 }), message: expect.any(String) },
  ])
})

test('after the last failed attempt a search is dead with its history', async () => {
  await system.submit(['calm piano'])
  system.simulator.fail({ does: { status: 500 } })
  const handler = handlerWith()
  for (const waitMs of [500, 1000]) {
    const before = system.now()
    const decision = await handle(handler, 'calm piano')
    expect(decision).toMatchObject({ do: 'retry', othersFail: false, tripped: null })
    const at = decision.do === 'retry' ? decision.at : 0
    expect(at).toBeGreaterThanOrEqual(before + waitMs)
    expect(at).toBeLessThanOrEqual(system.now() + waitMs)
  }
  expect(await handle(handler, 'calm piano')).toMatchObject({ do: 'deadLetter' })
  expect((await system.store.deadLetters.list({}, null, 5)).letters).toMatchObject([
    {
      letter: {
        ...{ attempts: 3, status: 500, error: 'Internal Server Error', message: 'An unexpected error occurred' },
        request_id: expect.stringMatching(/^req_/),
      },
    },
  ])
})

test('a search that dies of a lost connection keeps the request id of the last failure that had one', async () => {
  await system.submit(['calm piano'])
  system.simulator.fail({ timesInTotal: 2, does: { status: 500 } })
  system.simulator.fail({ does: 'cut' })
  const handler = handlerWith()
  for (const decision of ['retry', 'retry', 'deadLetter'])
    expect(await handle(handler, 'calm piano')).toMatchObject({ do: decision })
  expect((await system.store.deadLetters.list({}, null, 5)).letters).toMatchObject([
    { letter: { attempts: 3, status: null, error: 'connection lost', request_id: 'req_00000002' } },
  ])
})

describe('which batch is charged', () => {
  test('a shared search is charged to the oldest batch with budget left', async () => {
    const capped = await system.submit(['a', 'b', 'c'], { name: 'capped', maxCredits: 2 })
    const open = await system.submit(['a', 'b', 'c', 'd'], { name: 'open' })
    const handler = handlerWith()
    for (const query of ['a', 'b', 'c', 'd']) await handle(handler, query)
    const charged = async (id: number) => (await system.store.batches.find(String(id)))?.charged
    expect([await charged(capped), await charged(open)]).toEqual([2, 2])
    expect(system.simulator.paid()).toBe(4)
    const [report] = await system.store.reports.batches({ batchId: capped, limit: 1 })
    expect(report).toMatchObject({ batch: { tagged: 3 }, withheld: 0 })
  })

  test('a call of unknown outcome stays charged to its cap', async () => {
    await system.submit(['a', 'b'], { maxCredits: 1 })
    system.simulator.fail({ times: 1, does: 'cut' })
    const handler = handlerWith()
    expect(await handle(handler, 'a')).toMatchObject({ do: 'retry' })
    expect(await handle(handler, 'b')).toMatchObject({ do: 'skip', outcome: 'withheld' })
    expect(system.simulator.calls()).toHaveLength(1)
  })
})

describe('the reserve', () => {
  test('is exact with ten calls at a time whose answers overtake each other', async () => {
    const all = queries(60)
    await system.submit(all)
    system.simulator.setCredits(50)
    await system.store.account.update({ creditsRemaining: 50 }, system.now())
    const handler = handlerWith({ creditReserve: 20 })
    const left = [...all]
    const slot = async (): Promise<void> => {
      for (let query = left.shift(); query !== undefined; query = left.shift()) {
        const decision = await handle(handler, query)
        if (decision.do === 'requeue') return
        if (decision.do === 'delay') left.push(query)
      }
    }
    await Promise.all(Array.from({ length: 10 }, slot))
    expect(system.simulator.credits()).toBe(20)
    expect(await balance()).toBe(20)
    expect(await system.store.pauses.list()).toMatchObject([{ cause: 'reserve' }])
  })

  test('is kept even when paid calls end with unknown outcome', async () => {
    await system.submit(queries(8))
    await system.store.account.update({ creditsRemaining: 23 }, system.now())
    system.simulator.setCredits(23)
    system.simulator.fail({ timesInTotal: 2, does: 'cut', charged: true })
    const handler = handlerWith({ creditReserve: 20 })
    const decisions: string[] = []
    for (const query of queries(4)) decisions.push((await handle(handler, query)).do)
    expect(decisions).toEqual(['retry', 'retry', 'succeed', 'requeue'])
    expect(system.simulator.credits()).toBe(20)
  })
})

describe('the breaker', () => {
  const refuse = (times?: number) =>
    system.simulator.fail({ ...(times === undefined ? {} : { timesInTotal: times }), does: { status: 403 } })

  test('25 different searches refused in a row pause with cause failing; 24 do not', async () => {
    await system.submit(queries(30))
    refuse()
    const handler = handlerWith()
    for (const query of queries(24))
      expect(await handle(handler, query)).toMatchObject({ do: 'deadLetter', tripped: null })
    expect(await system.store.pauses.list()).toEqual([])
    expect(await handle(handler, 'scene 25')).toMatchObject({ do: 'deadLetter', tripped: 'failing' })
    expect(await system.store.pauses.list()).toMatchObject([
      { cause: 'failing', detail: expect.stringMatching(/^25 searches .* the last with 403 Forbidden$/) },
    ])
  })

  test('an answer in between resets the count', async () => {
    await system.submit(queries(40))
    const handler = handlerWith()
    for (const [index, query] of queries(40).entries()) {
      if (index === 0 || index === 21) refuse(20)
      await handle(handler, query)
    }
    expect(await streak()).toMatchObject({ refusedSearches: 19 })
    expect(await system.store.pauses.list()).toEqual([])
  })

  test('unreadable answers, which may be paid for, pause like refusals', async () => {
    await system.submit(queries(26))
    system.simulator.fail({ does: 'html' })
    const handler = handlerWith()
    for (const query of queries(25)) await handle(handler, query)
    expect(await system.store.pauses.list()).toMatchObject([
      { cause: 'failing', detail: expect.stringContaining('cannot be read') },
    ])
    expect(await handle(handler, 'scene 26')).toEqual({ do: 'requeue' })
  })

  test('500s for 25 searches are an outage; during a probe, for 3', async () => {
    await system.submit(queries(40))
    system.simulator.fail({ does: { status: 503 } })
    const handler = handlerWith()
    const decisions = []
    for (const query of [...queries(24), ...queries(24), 'scene 25']) decisions.push(await handle(handler, query))
    expect(decisions.slice(0, 48).every((decision) => decision.do === 'retry' && decision.tripped === null)).toBe(true)
    expect(decisions.map((decision) => decision.do === 'retry' && decision.othersFail)).toEqual(
      decisions.map((_, index) => index > 0),
    )
    expect(decisions[48]).toMatchObject({ do: 'retry', tripped: 'outage' })

    await system.store.pauses.lift('outage', true, Date.now())
    const probes = []
    for (const query of ['scene 26', 'scene 27', 'scene 1', 'scene 28']) probes.push(await handle(handler, query))
    // The third attempt of one is its last, probe or not.
    expect(probes).toMatchObject([
      { do: 'retry', othersFail: true, tripped: null },
      { do: 'retry', othersFail: true, tripped: null },
      { do: 'deadLetter', tripped: 'outage' },
      { do: 'requeue' },
    ])
    expect(system.simulator.calls()).toHaveLength(52)
  })

  test('one search that fails while others succeed never pauses the queue', async () => {
    await system.submit(['poison', ...queries(60)])
    system.simulator.fail({ match: 'poison', does: { status: 500 } })
    const handler = handlerWith({ maxAttempts: 100 })
    for (const query of queries(60)) {
      await handle(handler, 'poison')
      await handle(handler, query)
    }
    expect(await system.store.pauses.list()).toEqual([])
  })
})

test('a failed save of a paid answer is retried, and no call is made meanwhile', async () => {
  await system.submit(['a', 'b'])
  const { store, log } = system
  let broken = true
  const handler = openProcessor(
    system,
    {},
    {
      store: {
        pauses: store.pauses,
        calls: {
          ...store.calls,
          close: async (...given) => {
            if (broken) throw new UnreachableError('database or disk is full')
            return store.calls.close(...given)
          },
        },
      },
    },
  )
  const first = handle(handler, 'a')
  await until(() => log.logged('store.write_failed').length > 0, { timeoutMs: 120_000, what: 'the save to fail' })
  const second = handle(handler, 'b')
  expect(system.simulator.calls()).toHaveLength(1)
  expect(handler.writeFailure()).toMatchObject({ kind: 'save', cause: 'database or disk is full' })
  broken = false
  expect(await first).toMatchObject({ do: 'succeed' })
  expect(await second).toMatchObject({ do: 'succeed' })
  expect(log.logged('store.write_recovered')).toHaveLength(1)
  expect(handler.writeFailure()).toBeNull()
  expect(system.simulator.paid()).toBe(2)
})

test('a store that cannot be reached costs nothing: the job waits', async () => {
  await system.submit(['a'])
  const { store } = system
  const refuse = () => Promise.reject(new UnreachableError('database is locked'))
  const handler = openProcessor(
    system,
    {},
    {
      store: { pauses: store.pauses, calls: { ...store.calls, claim: refuse } },
    },
  )
  expect(await handle(handler, 'a')).toMatchObject({ do: 'delay' })
  expect(system.simulator.calls()).toHaveLength(0)
  expect(handler.writeFailure()).toMatchObject({ kind: 'claim', cause: 'database is locked' })
})

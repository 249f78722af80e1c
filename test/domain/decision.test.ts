import { describe, expect, test } from '@jest/globals'
import { ACCOUNT_UNKNOWN, type DecisionContext, decide } from '../../src/domain/decision.js'
import type { Outcome, Refusal } from '../../src/domain/outcome.js'
import { mostRateLimits, NEVER_REFUSED, type RefusalHistory } from '../../src/domain/refusals.js'

/** The error table of the API document, as one table of outcomes and what becomes of the search. */
const NOW = 1_000_000
const context: DecisionContext = {
  failuresBefore: 0,
  maxAttempts: 8,
  backoff: { baseMs: 5000, maxMs: 600_000 },
  now: NOW,
  durationMs: 12,
  random: 0.5,
  history: NEVER_REFUSED,
  account: ACCOUNT_UNKNOWN,
}

function refusal(status: number, texts: Partial<Refusal> = {}): Refusal {
  return { status, error: null, code: null, message: null, requestId: null, ...texts }
}

function limited(facts: Partial<Extract<Outcome, { kind: 'rate_limited' }>> = {}): Outcome {
  return { kind: 'rate_limited', retryAfterMs: null, daily: false, refusal: refusal(429), ...facts }
}

function transient(facts: Partial<Extract<Outcome, { kind: 'transient' }>> = {}): Outcome {
  return {
    kind: 'transient',
    reason: '500 Internal Server Error',
    status: 500,
    refusal: null,
    retryAfterMs: null,
    maybePaid: false,
    ...facts,
  }
}

describe('what one outcome means', () => {
  const HOUR = 3_600_000
  const table: readonly [claim: string, Outcome, object][] = [
    [
      '200 is kept',
      { kind: 'answered', body: '{}', tracks: 3, tagging: null },
      { do: 'succeed', body: '{}', tracks: 3, tagging: null, durationMs: 12 },
    ],
    [
      'a 200 that cannot be read is dead with its body, never bought again unasked',
      { kind: 'unreadable', status: 201, body: '<html>', problem: 'not JSON' },
      {
        do: 'deadLetter',
        body: '<html>',
        pause: null,
        usesAttempt: false,
        death: expect.objectContaining({ reason: 'unreadable', status: 201, message: 'not JSON' }),
      },
    ],
    [
      '429 holds for its Retry-After',
      limited({ retryAfterMs: 42_000, refusal: refusal(429, { error: 'Too Many Requests', message: 'Slow down' }) }),
      { do: 'rateLimit', until: NOW + 42_000, daily: false, behind: false, said: 'Too Many Requests: Slow down' },
    ],
    [
      '429 without a readable Retry-After holds a minute',
      limited(),
      { do: 'rateLimit', until: NOW + 60_000, daily: false, behind: false, said: null },
    ],
    [
      '429 with Retry-After 0 leaves the server a breath',
      limited({ retryAfterMs: 0 }),
      { do: 'rateLimit', until: NOW + 1000, daily: false, behind: false, said: null },
    ],
    [
      '429 for years is believed for a day',
      limited({ retryAfterMs: 9e15, daily: true }),
      { do: 'rateLimit', until: NOW + 24 * HOUR, daily: true, behind: true, said: null },
    ],
    [
      '402 pauses the queue',
      {
        kind: 'out_of_credits',
        refusal: refusal(402, { error: 'Out of credits', message: 'Please top up' }),
      },
      { do: 'pause', cause: 'no_credits', detail: 'Out of credits: Please top up' },
    ],
    [
      '402 without a word pauses the queue',
      { kind: 'out_of_credits', refusal: refusal(402) },
      { do: 'pause', cause: 'no_credits', detail: 'HTTP 402' },
    ],
    [
      '401 is dead and pauses the queue',
      { kind: 'unauthorized', refusal: refusal(401, { error: 'Unauthorized' }) },
      {
        do: 'deadLetter',
        body: null,
        pause: 'unauthorized',
        usesAttempt: false,
        death: expect.objectContaining({ reason: 'unauthorized', status: 401 }),
      },
    ],
    ...[400, 403, 404, 405, 409, 410, 413, 415, 418, 422, 451].map((status): [string, Outcome, object] => [
      `${status} is dead at once, without a pause`,
      { kind: 'refused', refusal: refusal(status, { error: 'No', code: 'c', message: 'm', requestId: 'r' }) },
      {
        do: 'deadLetter',
        body: null,
        pause: null,
        usesAttempt: false,
        death: {
          reason: 'refused',
          status,
          error: 'No',
          code: 'c',
          message: 'm',
          requestId: 'r',
          remedy: expect.stringMatching(/\w/),
        },
      },
    ]),
    [
      '500 is tried again after a jittered backoff',
      transient(),
      { do: 'retry', at: NOW + 2500, reason: '500 Internal Server Error' },
    ],
    [
      '503 with Retry-After is obeyed',
      transient({ status: 503, retryAfterMs: 7000 }),
      { do: 'retry', at: NOW + 7000, reason: expect.any(String) },
    ],
    [
      'a timeout is tried again',
      transient({ status: null, reason: 'no answer within 20 s', maybePaid: true }),
      { do: 'retry', at: NOW + 2500, reason: 'no answer within 20 s' },
    ],
  ]
  test.each([
    ['a page of text', 'Bad Gateway', { status: 502, error: 'Bad Gateway', message: null }],
    ['nothing', null, { status: 502, error: 'No reason given', message: null }],
  ])('%s instead of an error says what it says, beside its status', (_, message, death) => {
    const last = { ...context, failuresBefore: 7 }
    expect(decide(transient({ status: 502, refusal: refusal(502, { message }) }), last)).toMatchObject({ death })
    expect(decide({ kind: 'refused', refusal: refusal(502, { message }) }, context)).toMatchObject({ death })
  })

  test.each(table)('%s', (_, outcome, decision) => {
    expect(decide(outcome, context)).toEqual(decision)
  })
})

describe('attempts', () => {
  test('the last failure is dead with its history, and uses the attempt', () => {
    expect(decide(transient(), { ...context, failuresBefore: 7 })).toMatchObject({
      do: 'deadLetter',
      usesAttempt: true,
      death: { reason: 'attempts_used_up', status: 500, message: expect.stringContaining('8 times') },
    })
  })

  test('the last failure is dead with all that the API said, for support', () => {
    const said = refusal(500, { error: 'Internal Server Error', code: 'oops', message: 'Again', requestId: 'req_7' })
    expect(decide(transient({ refusal: said }), { ...context, failuresBefore: 7 })).toMatchObject({
      death: { status: 500, error: 'Internal Server Error', code: 'oops', message: 'Again', requestId: 'req_7' },
    })
  })

  test('the failure before the last is still retried', () => {
    expect(decide(transient(), { ...context, failuresBefore: 6 })).toMatchObject({ do: 'retry' })
  })

  test.each([limited({ retryAfterMs: 1000 }), { kind: 'out_of_credits', refusal: refusal(402) } satisfies Outcome])(
    'waiting is not failing: $kind of the whole account never kills a search',
    (outcome) => {
      const history = { ...NEVER_REFUSED, rateLimits: 1000, refusals: 1000, othersLimited: 50, isAlone: true }
      expect(decide(outcome, { ...context, failuresBefore: 1000, history }).do).not.toBe('markDead')
    },
  )
})

describe('a search that is refused alone', () => {
  const given = (history: Partial<RefusalHistory>, account = ACCOUNT_UNKNOWN): DecisionContext => ({
    ...context,
    history: { ...NEVER_REFUSED, ...history },
    account,
  })
  const credits = { isGood: true, isOutOfToday: false, balance: 180, spendable: 180 }
  const unpaid: Outcome = {
    kind: 'out_of_credits',
    refusal: refusal(402, { error: 'Out of credits', message: 'This search needs 2 credits' }),
  }

  test('402 with credits left: only this search waits, longer each time', () => {
    const waits = [0, 1, 2, 3].map((refusals) => decide(unpaid, given({ refusals, othersAnswered: 1 }, credits)))
    expect(waits).toMatchObject([
      { do: 'defer', until: NOW + 3750, moreRefusals: 4 },
      { do: 'defer', until: NOW + 7500, moreRefusals: 3 },
      { do: 'defer', until: NOW + 15_000, moreRefusals: 2 },
      { do: 'defer', until: NOW + 30_000, moreRefusals: 1 },
    ])
    expect(waits[0]).toMatchObject({ reason: 'HTTP 402: "Out of credits: This search needs 2 credits"' })
  })

  test('402 with credits left ends as a dead letter, uncompared later', () => {
    const dead = { do: 'deadLetter', pause: null, usesAttempt: false, death: { reason: 'refused', status: 402 } }
    expect(decide(unpaid, given({ refusals: 4, othersAnswered: 1 }, credits))).toMatchObject({
      ...dead,
      death: { ...dead.death, error: 'Out of credits', message: 'This search needs 2 credits' },
    })
    expect(decide(unpaid, given({ refusals: 8 }, credits))).toMatchObject({ do: 'defer', moreRefusals: 1 })
    expect(decide(unpaid, given({ refusals: 9 }, credits))).toMatchObject(dead)
  })

  test('402 pauses, however often, while GET /me shows nothing to spend', () => {
    for (const account of [ACCOUNT_UNKNOWN, { ...credits, balance: 5, spendable: 0 }])
      expect(decide(unpaid, given({ refusals: 50, othersAnswered: 50 }, account))).toMatchObject({
        do: 'pause',
        cause: 'no_credits',
      })
  })

  test('429 goes behind the others the second time', () => {
    const outcome = limited({ retryAfterMs: 1000 })
    expect(decide(outcome, given({ rateLimits: 1 }))).toMatchObject({ do: 'rateLimit', behind: true })
    expect(decide(outcome, given({ rateLimits: 1, othersAnswered: 9, othersLimited: 9 }))).toMatchObject({
      do: 'rateLimit',
    })
    expect(decide(outcome, given({ rateLimits: 1, othersAnswered: 10, othersLimited: 9 }))).toMatchObject({
      do: 'defer',
    })
  })

  test('429 waits for its Retry-After where that is longer', () => {
    const alone = given({ rateLimits: 2, othersAnswered: 100 })
    expect(decide(limited({ retryAfterMs: 600_000 }), alone)).toMatchObject({ do: 'defer', until: NOW + 600_000 })
    expect(decide(limited({ retryAfterMs: 0 }), alone)).toMatchObject({ do: 'defer', until: NOW + 15_000 })
  })

  test('429 ends as a dead letter where the limit of a key cannot explain it', () => {
    const alone = given({ rateLimits: 4, othersAnswered: 500 })
    expect(decide(limited({ refusal: refusal(429, { error: 'No' }) }), alone)).toMatchObject({
      do: 'deadLetter',
      death: { status: 429, error: 'No' },
    })
  })

  test.each([
    // Others answered, others limited, refusals until it is dead.
    [0, 0, Number.POSITIVE_INFINITY],
    [0, 40, Number.POSITIVE_INFINITY],
    [1, 0, 73],
    [9, 0, 15],
    [29, 0, 9],
    [190, 9, 8],
    [1000, 0, 4],
    [10, 9, 35],
    [50, 50, 32],
    [10, 90, 203],
  ])('%i others answered and %i limited: %d refusals', (othersAnswered, othersLimited, most) => {
    expect(mostRateLimits({ ...NEVER_REFUSED, othersAnswered, othersLimited })).toBe(most)
  })

  test('429 with no other search left is dead after twenty', () => {
    const last = given({ rateLimits: 19, isAlone: true }, credits)
    expect(decide(limited(), last)).toMatchObject({ do: 'deadLetter' })
    expect(decide(limited({ daily: true }), last)).toMatchObject({ do: 'rateLimit' })
    const tomorrow = { ...last, account: { ...credits, isOutOfToday: true } }
    expect(decide(limited(), tomorrow)).toMatchObject({ do: 'defer', moreRefusals: null })
    expect(decide(limited(), { ...last, account: ACCOUNT_UNKNOWN })).toMatchObject({ do: 'defer', moreRefusals: null })
    const ofAll = given({ rateLimits: 500, isAlone: true, othersLimited: 1 }, credits)
    expect(decide(limited(), ofAll)).toMatchObject({ do: 'rateLimit' })
  })

  test('a 403 at the end of a minute makes no other search wait', () => {
    expect(decide(limited({ refusal: refusal(403) }), context)).toMatchObject({ do: 'defer', until: NOW + 60_000 })
    expect(decide(limited({ refusal: refusal(403), retryAfterMs: 9000 }), context)).toMatchObject({ do: 'rateLimit' })
  })

  test('401 is a dead letter without a pause where GET /me accepts the key', () => {
    const said = refusal(401, { error: 'Unauthorized', message: 'Not for this query' })
    expect(decide({ kind: 'unauthorized', refusal: said }, given({}, credits))).toMatchObject({
      do: 'deadLetter',
      pause: null,
      death: { reason: 'refused', status: 401, message: 'Not for this query' },
    })
  })
})

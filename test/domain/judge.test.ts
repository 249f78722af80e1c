import { describe, expect, test } from '@jest/globals'
import { type JudgeContext, judge } from '../../src/domain/judge.js'
import type { Outcome, Refusal } from '../../src/domain/outcome.js'

/** The error table of the API document, as one table of outcomes and what becomes of the search. */
const NOW = 1_000_000
const context: JudgeContext = {
  failuresBefore: 0,
  maxAttempts: 8,
  backoff: { baseMs: 5000, maxMs: 600_000 },
  now: NOW,
  random: 0.5,
}

function refusal(status: number, texts: Partial<Refusal> = {}): Refusal {
  return { status, error: null, code: null, message: null, requestId: null, ...texts }
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
    ['200 is kept', { kind: 'answered', body: '{}', tracks: 3 }, { do: 'keep', body: '{}', tracks: 3 }],
    [
      'a 200 that cannot be read is dead with its body, never bought again unasked',
      { kind: 'unreadable', status: 201, body: '<html>', problem: 'not JSON' },
      {
        do: 'bury',
        body: '<html>',
        pause: null,
        usesAttempt: false,
        death: expect.objectContaining({ reason: 'unreadable', status: 201, message: 'not JSON' }),
      },
    ],
    [
      '429 holds for its Retry-After',
      { kind: 'rate_limited', retryAfterMs: 42_000, daily: false },
      { do: 'hold', until: NOW + 42_000, daily: false },
    ],
    [
      '429 without a readable Retry-After holds a minute',
      { kind: 'rate_limited', retryAfterMs: null, daily: false },
      { do: 'hold', until: NOW + 60_000, daily: false },
    ],
    [
      '429 with Retry-After 0 leaves the server a breath',
      { kind: 'rate_limited', retryAfterMs: 0, daily: false },
      { do: 'hold', until: NOW + 1000, daily: false },
    ],
    [
      '429 for years is believed for a day',
      { kind: 'rate_limited', retryAfterMs: 9e15, daily: true },
      { do: 'hold', until: NOW + 24 * HOUR, daily: true },
    ],
    [
      '402 pauses the queue',
      {
        kind: 'out_of_credits',
        retryAfterMs: null,
        refusal: refusal(402, { error: 'Out of credits', message: 'Please top up' }),
      },
      { do: 'pause', cause: 'no_credits', detail: 'Out of credits: Please top up' },
    ],
    [
      '402 that says when to come back is a hold',
      { kind: 'out_of_credits', retryAfterMs: 5000, refusal: refusal(402) },
      { do: 'hold', until: NOW + 5000, daily: false },
    ],
    [
      '401 is dead and pauses the queue',
      { kind: 'unauthorized', refusal: refusal(401, { error: 'Unauthorized' }) },
      {
        do: 'bury',
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
        do: 'bury',
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
    expect(judge(transient({ status: 502, refusal: refusal(502, { message }) }), last)).toMatchObject({ death })
    expect(judge({ kind: 'refused', refusal: refusal(502, { message }) }, context)).toMatchObject({ death })
  })

  test.each(table)('%s', (_, outcome, verdict) => {
    expect(judge(outcome, context)).toEqual(verdict)
  })
})

describe('attempts', () => {
  test('the last failure is dead with its history, and uses the attempt', () => {
    expect(judge(transient(), { ...context, failuresBefore: 7 })).toMatchObject({
      do: 'bury',
      usesAttempt: true,
      death: { reason: 'attempts_used_up', status: 500, message: expect.stringContaining('8 times') },
    })
  })

  test('the last failure is dead with all that the API said, for support', () => {
    const said = refusal(500, { error: 'Internal Server Error', code: 'oops', message: 'Again', requestId: 'req_7' })
    expect(judge(transient({ refusal: said }), { ...context, failuresBefore: 7 })).toMatchObject({
      death: { status: 500, error: 'Internal Server Error', code: 'oops', message: 'Again', requestId: 'req_7' },
    })
  })

  test('the failure before the last is still retried', () => {
    expect(judge(transient(), { ...context, failuresBefore: 6 })).toMatchObject({ do: 'retry' })
  })

  test.each([
    { kind: 'rate_limited', retryAfterMs: 1000, daily: false } satisfies Outcome,
    { kind: 'out_of_credits', retryAfterMs: null, refusal: refusal(402) } satisfies Outcome,
  ])('waiting is not failing: $kind is never dead, however often it comes', (outcome) => {
    expect(judge(outcome, { ...context, failuresBefore: 1000 }).do).not.toBe('bury')
  })
})

import type { Answer } from '../domain/answer.js'
import { asCount, isRecord, parseJson } from '../domain/json.js'
import type { Outcome, Refusal } from '../domain/outcome.js'
import { type ErrorBody, readErrorBody } from './error-body.js'
import { header, headerFacts, requestIdHeader } from './headers.js'
import type { Received } from './received.js'
import { parseRetryAfter } from './retry-after.js'

/**
 * Turns one response to POST /search into an outcome. Source: the API document's error table, one branch
 * per row. "Credits are consumed on successful responses only": every status outside 2xx was free, and
 * every 2xx may be paid for. A readable 2xx is an answer, even if the connection broke after its last
 * byte. One that is unreadable or cut off is kept as far as it was received.
 */

/** A longer Retry-After than this means the daily limit, not the limit per minute. */
const LONGEST_MINUTE_WAIT_MS = 2 * 60 * 60 * 1000

/**
 * @param answer its text as an answer; ignored outside 2xx
 * @param now epoch milliseconds, for a Retry-After that is a date
 */
export function outcomeOf(response: Received, answer: Answer | null, now: number): Outcome {
  const { status } = response
  if (status >= 200 && status <= 299) return success(response, answer)
  const retryAfterMs = parseRetryAfter(header(response.headers, 'retry-after'), header(response.headers, 'date'), now)
  const said = readErrorBody(response.text)
  const refusal: Refusal = {
    ...said,
    status,
    message: said.message ?? redirectNote(response),
    requestId: said.requestId ?? requestIdHeader(response.headers),
  }
  const limits = headerFacts(response.headers)
  if (isRateLimit(status, retryAfterMs, limits.remainingThisMinute)) {
    const daily = limits.remainingToday === 0 || (retryAfterMs ?? 0) > LONGEST_MINUTE_WAIT_MS
    return { kind: 'rate_limited', retryAfterMs, daily, refusal }
  }
  if (status >= 500 || status === 408 || status === 425) {
    return { kind: 'transient', reason: reasonOf(status, said), status, refusal, retryAfterMs, maybePaid: false }
  }
  // A Retry-After does not tell when there are credits again, so it is ignored here.
  if (status === 402) return { kind: 'out_of_credits', refusal }
  if (status === 401) return { kind: 'unauthorized', refusal }
  return { kind: 'refused', refusal }
}

/** A 403 with a Retry-After is a rate limit too: GitHub sends it for its secondary limits. */
function isRateLimit(status: number, retryAfterMs: number | null, remainingThisMinute: number | null): boolean {
  return status === 429 || (status === 403 && (retryAfterMs !== null || remainingThisMinute === 0))
}

function success(response: Received, answer: Answer | null): Outcome {
  const { status, text: body, end, problem } = response
  if (answer !== null) return { kind: 'answered', body, tracks: answer.tracks, tagging: answer.tagging }
  return {
    kind: 'unreadable',
    status,
    body,
    problem: `expected JSON with a list of tracks, found ${found(body, end, problem)} (HTTP ${status})`,
  }
}

function found(body: string, end: Received['end'], problem: string): string {
  switch (end) {
    case 'whole':
      return problem === '' ? describeBody(body) : problem
    case 'too_large':
      return problem
    case 'cut':
      return `${body === '' ? 'nothing of it' : 'only the beginning'}, cut off: ${problem}`
    default:
      return end satisfies never
  }
}

function reasonOf(status: number, said: ErrorBody): string {
  return [`HTTP ${status}`, said.error, said.message].filter((part) => part !== null).join(': ')
}

/** A redirect is never followed: that would send the key to another address. */
function redirectNote(response: Received): string | null {
  if (response.status > 399 || header(response.headers, 'location') === null) return null
  return 'The API answered with a redirect, which is not followed with a key; check TRACKYARD_API_URL.'
}

/** GET /me: checks the key and returns the balance and the limits. Free. Null: not given by the API. */
export type MeResult =
  | {
      readonly kind: 'ok'
      readonly tier: string | null
      readonly creditsRemaining: number | null
      readonly monthlyAllowance: number | null
      readonly limitPerMinute: number | null
      /** Null also for "unlimited". */
      readonly limitPerDay: number | null
      readonly remainingToday: number | null
      /** The server's clock. */
      readonly date: number | null
    }
  | { readonly kind: 'unauthorized' }
  /** Any other result, in one short phrase: not reachable, rate limited, not readable. */
  | { readonly kind: 'failed'; readonly reason: string }

export function readMe(response: Received): MeResult {
  const { status } = response
  if (status === 401) return { kind: 'unauthorized' }
  if (status < 200 || status > 299) {
    return { kind: 'failed', reason: reasonOf(status, readErrorBody(response.text)) }
  }
  if (response.end !== 'whole') return { kind: 'failed', reason: response.problem }
  const said = parseJson(response.text)
  if (!isRecord(said)) return { kind: 'failed', reason: 'the answer of GET /me is not a JSON object' }
  const headers = headerFacts(response.headers)
  const limits = isRecord(said.rate_limit) ? said.rate_limit : {}
  return {
    kind: 'ok',
    tier: typeof said.tier === 'string' && said.tier !== '' ? said.tier : null,
    creditsRemaining: asCount(said.credits_remaining) ?? headers.creditsRemaining,
    monthlyAllowance: asCount(said.monthly_allowance),
    limitPerMinute: asCount(limits.requests_per_minute) || headers.limitPerMinute,
    limitPerDay: asCount(limits.requests_per_day) || headers.limitPerDay,
    remainingToday: headers.remainingToday,
    date: Date.parse(header(response.headers, 'date') ?? '') || null,
  }
}

/** Describes a body that is not an answer, for messages of the form "expected …, found …". */
function describeBody(body: string): string {
  if (body.trim() === '') return 'an empty body'
  if (/^\s*<[a-z!?]/i.test(body)) return 'HTML'
  const value = parseJson(body)
  if (value === undefined) return 'no JSON'
  if (!isRecord(value)) return `JSON that is ${kindOf(value)}`
  return describeObject(value, body)
}

function describeObject(value: object, body: string): string {
  if ('tracks' in value) {
    const { tracks } = value
    return Array.isArray(tracks)
      ? 'JSON whose "tracks" are not all objects'
      : `JSON whose "tracks" is ${kindOf(tracks)}`
  }
  if ('error' in value) {
    const { error, message } = readErrorBody(body)
    return `JSON of an error: ${error ?? message ?? 'no reason given'}`
  }
  const wrapper = Object.entries(value).find(([, inner]) => hasTracks(inner))
  if (wrapper !== undefined) return `JSON whose "tracks" are inside ${JSON.stringify(wrapper[0].slice(0, 40))}`
  return 'JSON without "tracks"'
}

function hasTracks(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'tracks' in value
}

function kindOf(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'a list'
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`
}

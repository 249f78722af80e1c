import { type Answer, readAnswer } from '../domain/answer.js'
import type { Clock } from '../domain/clock.js'
import { type CallResult, NOTHING_SAID } from '../domain/outcome.js'
import type { SearchRequest } from '../domain/request.js'
import { type MeResult, outcomeOf, readMe } from './classify.js'
import { connector } from './connect.js'
import { oneLine, readErrorBody } from './error-body.js'
import { createSemaphore, type Exchange, exchange, readResponseStart } from './exchange.js'
import { headerFacts, requestIdHeader } from './headers.js'
import { type Received, receive } from './received.js'
import { type RedactableKey, redactableKey } from './redact.js'

/**
 * The API client. A call is one HTTP request and is never retried here: `decide` and the queue do that,
 * otherwise the rate limit and the ledger would be wrong. Every network or server failure is returned as a
 * value; only a bug throws. The key is sent in one header and redacted from everything that comes back.
 */
export interface Api {
  /** Its address, as in the settings. */
  readonly url: string
  search(request: SearchRequest): Promise<CallResult>
  /** Free, but it counts against the key's rate limit. `withinMs`: a shorter time limit. */
  me(withinMs?: number): Promise<MeResult>
  /** Resolves when the calls in flight have ended. Later calls fail without being sent. */
  close(): Promise<void>
}

export interface ApiOptions {
  /** With or without a trailing slash. */
  readonly baseUrl: string
  readonly apiKey: string
  /** For the whole call: connecting, headers and body. */
  readonly timeoutMs: number
  /** Every call goes through this proxy; null: no proxy. */
  readonly proxy: URL | null
  readonly userAgent: string
  readonly clock: Clock
}

/** A hundred tracks are about 50 KB. A body of eighty times that is no answer. */
export const MAX_BODY_BYTES = 4 * 1024 * 1024
/** Limits the memory for answers that are larger than any documented one. */
const LARGE_ANSWERS_AT_A_TIME = 2

export function openApi(options: ApiOptions): Api {
  const { clock } = options
  const base = new URL(options.baseUrl)
  const basePath = base.pathname.replace(/\/+$/, '')
  const connect = connector(base, options.proxy)
  const largeAnswers = createSemaphore(LARGE_ANSWERS_AT_A_TIME)
  const inFlight = new Set<Promise<Exchange>>()
  let closed = false

  const key = redactableKey(options.apiKey)

  const send = async (
    method: 'GET' | 'POST',
    path: string,
    body: string | null,
    withinMs = options.timeoutMs,
  ): Promise<Exchange> => {
    if (closed) return { kind: 'none', sent: false, problem: 'the client is closed' }
    const running = exchange(connect, {
      host: base.host,
      path: basePath + path,
      method,
      headers: {
        authorization: `Bearer ${key.text}`,
        accept: 'application/json',
        'user-agent': options.userAgent,
        ...(body === null ? {} : { 'content-type': 'application/json' }),
      },
      body,
      timeoutMs: Math.min(withinMs, options.timeoutMs),
      maxBytes: MAX_BODY_BYTES,
      largeAnswers,
    })
    inFlight.add(running)
    try {
      return await running
    } finally {
      inFlight.delete(running)
    }
  }

  return {
    url: options.baseUrl,
    async search(request) {
      const startedAt = clock.monotonicMs()
      const result = await send('POST', '/search', JSON.stringify(request))
      return callResult(result, key, clock.now(), Math.round(clock.monotonicMs() - startedAt))
    },
    async me(withinMs) {
      const result = await send('GET', '/me', null, withinMs)
      if (result.kind === 'none') return { kind: 'failed', reason: key.redact(result.problem) }
      return readMe(receive(result.response, key, MAX_BODY_BYTES))
    },
    async close() {
      closed = true
      await Promise.allSettled(inFlight)
    },
  }
}

function callResult(result: Exchange, key: RedactableKey, now: number, durationMs: number): CallResult {
  if (result.kind === 'none') {
    const reason = oneLine(key.redact(result.problem)) ?? 'network failure'
    return {
      outcome: { kind: 'transient', reason, status: null, refusal: null, retryAfterMs: null, maybePaid: result.sent },
      facts: { ...NOTHING_SAID, durationMs },
    }
  }
  const { response, answer } = findAnswer(result, key)
  const outcome = outcomeOf(response, answer, now)
  const said = headerFacts(response.headers)
  const paid = outcome.kind === 'answered'
  return {
    outcome,
    facts: {
      ...said,
      status: response.status,
      requestId: (paid ? null : readErrorBody(response.text).requestId) ?? requestIdHeader(response.headers),
      creditsRemaining: answer?.creditsRemaining ?? said.creditsRemaining,
      durationMs,
    },
  }
}

/** Parsed once: this costs more CPU time than the rest of a call. Only a 2xx can be an answer. */
function findAnswer(
  { response, wire }: Extract<Exchange, { kind: 'response' }>,
  key: RedactableKey,
): { readonly response: Received; readonly answer: Answer | null } {
  const received = receive(response, key, MAX_BODY_BYTES)
  if (response.status < 200 || response.status > 299) return { response: received, answer: null }
  const answer = readAnswer(received.text)
  if (answer !== null || response.end === 'too_large') return { response: received, answer }
  // A Content-Length that is too short, or broken chunks, hide part of what was received.
  const start = readResponseStart(wire())
  if (start === null || start.body.length <= response.body.length) return { response: received, answer }
  const hidden = receive({ ...response, body: start.body }, key, MAX_BODY_BYTES)
  const found = readAnswer(hidden.text)
  const isBetter = found !== null || response.body.length === 0
  return isBetter ? { response: hidden, answer: found } : { response: received, answer }
}

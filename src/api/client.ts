import { Agent } from 'undici'
import { readFrame } from '../domain/answer.js'
import type { Clock } from '../domain/clock.js'
import { type CallResult, NOTHING_SAID } from '../domain/outcome.js'
import type { SearchRequest } from '../domain/request.js'
import { outcomeOf } from './classify.js'
import { oneLine, readErrorBody } from './error-body.js'
import { type Exchange, type ExchangeRequest, exchange } from './exchange.js'
import { headerFacts, requestIdHeader } from './headers.js'
import { type MeResult, readMe } from './me.js'
import { receive } from './received.js'
import { redactKey } from './redact.js'

/**
 * The API client. A call is one HTTP request, never repeated here: when to try again is the judge's
 * decision and the queue's work, or pace and ledger would be wrong. Whatever the network or the server
 * does comes back as a value; only a bug throws. The key goes into one header and is taken out of
 * everything that comes back.
 */
export interface Api {
  search(request: SearchRequest): Promise<CallResult>
  /** Free of charge, but it counts as one of the key's requests a minute. */
  me(): Promise<MeResult>
  /** Resolves when the calls in flight are over; call it when no new ones are made. */
  close(): Promise<void>
}

export interface ApiOptions {
  /** With or without a slash at the end. */
  readonly baseUrl: string
  readonly apiKey: string | (() => string)
  /** Over the whole call: connecting, headers and body. */
  readonly timeoutMs: number
  /** Kept alive, and the most at a time. */
  readonly connections: number
  readonly userAgent: string
  readonly clock: Clock
}

/** A hundred tracks are about 50 KB; what is larger by far is no answer. */
export const MAX_BODY_BYTES = 8 * 1024 * 1024

export function openApi(options: ApiOptions): Api {
  const { clock, timeoutMs } = options
  const base = new URL(options.baseUrl)
  const basePath = base.pathname.replace(/\/+$/, '')
  // Timeouts of its own are off: the deadline of the exchange is the only one.
  const agent = new Agent({
    connections: options.connections,
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: { timeout: timeoutMs },
  })
  const inFlight = new Set<Promise<Exchange>>()

  const send = async (method: 'GET' | 'POST', path: string, body: string | null, key: string): Promise<Exchange> => {
    const request: ExchangeRequest = {
      origin: base.origin,
      path: basePath + path,
      method,
      headers: {
        authorization: `Bearer ${key}`,
        accept: 'application/json',
        'user-agent': options.userAgent,
        ...(body === null ? {} : { 'content-type': 'application/json' }),
      },
      body,
      timeoutMs,
      maxBytes: MAX_BODY_BYTES,
    }
    const running = exchange(agent, request)
    inFlight.add(running)
    try {
      return await running
    } finally {
      inFlight.delete(running)
    }
  }
  const currentKey = (): string => (typeof options.apiKey === 'string' ? options.apiKey : options.apiKey())

  return {
    async search(request) {
      const key = currentKey()
      const startedAt = clock.monotonicMs()
      const result = await send('POST', '/search', JSON.stringify(request), key)
      return callResult(result, key, clock.now(), Math.round(clock.monotonicMs() - startedAt))
    },
    async me() {
      const key = currentKey()
      const result = await send('GET', '/me', null, key)
      if (result.kind === 'none') return { kind: 'failed', reason: redactKey(result.problem, key) }
      return readMe(receive(result.response, key, MAX_BODY_BYTES))
    },
    async close() {
      await Promise.allSettled(inFlight)
      await agent.destroy()
    },
  }
}

function callResult(result: Exchange, key: string, now: number, durationMs: number): CallResult {
  if (result.kind === 'none') {
    const reason = oneLine(redactKey(result.problem, key)) ?? 'network failure'
    return {
      outcome: { kind: 'transient', reason, status: null, refusal: null, retryAfterMs: null, maybePaid: result.sent },
      facts: { ...NOTHING_SAID, durationMs },
    }
  }
  const response = receive(result.response, key, MAX_BODY_BYTES)
  // Read once: it is the dearest part of a call.
  const frame = response.status >= 200 && response.status <= 299 ? readFrame(response.text) : null
  const outcome = outcomeOf(response, frame, now)
  const said = headerFacts(response.headers)
  const paid = outcome.kind === 'answered'
  return {
    outcome,
    facts: {
      ...said,
      status: response.status,
      requestId: (paid ? null : readErrorBody(response.text).requestId) ?? requestIdHeader(response.headers),
      creditsRemaining: frame?.creditsRemaining ?? said.creditsRemaining,
      durationMs,
    },
  }
}

import type { IncomingMessage, ServerResponse } from 'node:http'
import { answer, applyFault } from './answer.js'
import { deliver } from './delivery.js'
import { documentedError, errorReply, type Reply, retryAfterHeader } from './reply.js'
import { type ApiParts, type Endpoint, type RequestContext, send } from './request-context.js'
import { readSearch } from './search-request.js'

/** A request that was received completely, and the response to it. */
export interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly path: string
  /** The part of the URL after `?`. */
  readonly query: string
  readonly body: string
}

export const BASE_PATH = '/api/external/v1'

const ENDPOINTS: Readonly<Record<string, { endpoint: Endpoint; method: string }>> = {
  [`${BASE_PATH}/search`]: { endpoint: 'search', method: 'POST' },
  [`${BASE_PATH}/me`]: { endpoint: 'me', method: 'GET' },
  [`${BASE_PATH}/usage`]: { endpoint: 'usage', method: 'GET' },
}

/**
 * The API's three endpoints. Every request passes the same checks, and the first that fails answers it:
 * key (401) → minute and day (429) → injected faults → request and credits (400, 402) → answer.
 */
export function createApi(parts: ApiParts): (exchange: Exchange) => void {
  let requests = 0
  return ({ request, response, path, query, body }) => {
    requests += 1
    const requestId = `req_${requests.toString(16).padStart(8, '0')}`
    const authorization = request.headers.authorization
    const known = ENDPOINTS[path]
    const delivery = { response, timers: parts.timers }
    if (known === undefined || request.method !== known.method) {
      const status = known === undefined ? 404 : 405
      deliver(delivery, errorReply(status, parts.options, { requestId, authorization }))
      return
    }
    const keyId = parts.account.keyIdOf(authorization)
    const came = { parts, authorization, keyId, requestId, receivedAt: Date.now(), urlQuery: query }
    if (known.endpoint === 'search') passGates(arrive(came, response, body))
    else passGates({ ...came, endpoint: known.endpoint, delivery, searched: null })
  }
}

/** From here on the search is in the log, whatever its outcome. */
function arrive(
  came: Omit<RequestContext, 'endpoint' | 'delivery' | 'searched'>,
  response: ServerResponse,
  body: string,
): RequestContext {
  const { log, timers } = came.parts
  const search = readSearch(body)
  const call = log.arrived({
    query: search.query,
    request: search.body,
    canonical: search.canonical,
    keyId: came.keyId ?? (came.authorization === undefined ? 'none' : 'unknown'),
    receivedAt: came.receivedAt,
  })
  response.once('close', () => call.end('abandoned'))
  return { ...came, endpoint: 'search', delivery: { response, timers, call }, searched: { search, call } }
}

function passGates(context: RequestContext): void {
  const refusal = unauthorized(context) ?? limited(context)
  const { query = '', canonical = '' } = context.searched?.search ?? {}
  const fault = refusal === null ? context.parts.faults.match(context.endpoint, query, canonical) : null
  if (fault === null) send(context, refusal ?? answer(context))
  else applyFault(context, fault)
}

function unauthorized(context: RequestContext): Reply | null {
  if (context.keyId !== null) return null
  // API document: the errors of GET /me have one shape, the error table has the other.
  const body = context.endpoint === 'search' ? documentedError(401) : { error: 'Invalid API key', code: 'unauthorized' }
  return errorReply(401, context.parts.options, context, body)
}

function limited(context: RequestContext): Reply | null {
  const { account, options } = context.parts
  if (context.endpoint !== 'search') return null
  const { waitMs, limit } = account.admit(performance.now())
  if (limit === null) return null
  const body = limit === 'day' ? { ...documentedError(429), message: 'Daily limit exceeded' } : documentedError(429)
  const reply = errorReply(429, options, context, body)
  return { ...reply, headers: { ...reply.headers, ...retryAfterHeader(waitMs) } }
}

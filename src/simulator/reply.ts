import type { SimulatorOptions } from './options.js'

/** A whole response, before a fault changes how it is sent. */
export interface Reply {
  readonly status: number
  readonly body: string
  readonly headers: Readonly<Record<string, string>>
}

const JSON_TYPE = { 'content-type': 'application/json; charset=utf-8' }

/** `json`: a value, or finished JSON text. */
export function jsonReply(
  status: number,
  json: object | string,
  headers: Readonly<Record<string, string>> = {},
): Reply {
  return {
    status,
    body: typeof json === 'string' ? json : JSON.stringify(json),
    headers: { ...JSON_TYPE, ...headers },
  }
}

export function htmlReply(status: number): Reply {
  const body = `<!doctype html>\n<html><head><title>Just a moment…</title></head><body><h1>${status}</h1></body></html>\n`
  return { status, body, headers: { 'content-type': 'text/html; charset=utf-8' } }
}

/**
 * The error bodies of the API document's table, word for word. Other statuses get bodies of the same two
 * shapes.
 */
export function documentedError(status: number): Record<string, string> {
  return ERRORS[status] ?? { error: `HTTP ${status}`, message: 'Simulated' }
}

const ERRORS: Readonly<Record<number, Record<string, string>>> = {
  400: { error: 'Invalid parameters', code: 'invalid_parameters' },
  401: { error: 'Unauthorized', message: 'Invalid API key' },
  402: { error: 'Out of credits', message: 'Please top up or upgrade your plan' },
  403: { error: 'Forbidden', message: 'This feature requires a paid plan' },
  404: { error: 'Not Found', message: 'Track not found' },
  405: { error: 'Method Not Allowed', code: 'method_not_allowed' },
  408: { error: 'Request Timeout', code: 'request_timeout' },
  413: { error: 'Payload Too Large', code: 'payload_too_large' },
  422: { error: 'Unprocessable Entity', code: 'unprocessable' },
  429: { error: 'Too Many Requests', message: 'Rate limit exceeded' },
  500: { error: 'Internal Server Error', message: 'An unexpected error occurred' },
  502: { error: 'Bad Gateway', message: 'The upstream server did not answer' },
  503: { error: 'Service Unavailable', message: 'Please try again later' },
  504: { error: 'Gateway Timeout', message: 'The upstream server took too long' },
}

/** The documented error. The API does not say where a 5xx has its request id: here, in the body. By the option, texts repeat the key. */
export function errorReply(
  status: number,
  options: Pick<SimulatorOptions, 'echoKey'>,
  call: { readonly requestId: string; readonly authorization: string | undefined },
  body: Readonly<Record<string, unknown>> = documentedError(status),
): Reply {
  const echoed = options.echoKey ? withEcho(body, call.authorization ?? 'no key') : body
  return jsonReply(status, status >= 500 ? { ...echoed, request_id: call.requestId } : echoed)
}

function withEcho(body: Readonly<Record<string, unknown>>, authorization: string): Record<string, unknown> {
  const echo = ` (Authorization: ${authorization})`
  const echoed = Object.entries(body).map(([name, value]) => [
    name,
    typeof value === 'string' && name !== 'code' ? value + echo : value,
  ])
  return Object.fromEntries(echoed)
}

/** In whole seconds, rounded up. */
export function retryAfterHeader(waitMs: number): Record<string, string> {
  return { 'retry-after': String(Math.ceil(waitMs / 1000)) }
}

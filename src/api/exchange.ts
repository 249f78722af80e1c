import { type Agent, type Dispatcher, errors } from 'undici'
import type { Headers } from './headers.js'

/**
 * One HTTP exchange: a request out, and whatever came back within the deadline. It judges nothing, but
 * it keeps apart the two things that decide about money: whether the request may have left this
 * machine, and what had arrived when the connection, the deadline or the size cap ended it.
 *
 * `sent` turns true when undici hands the request to a connection that stands. Before that (name not
 * found, connection refused, TLS failed, no free connection before the deadline) the server cannot
 * have seen it, and a request that is still waiting at its deadline is never sent afterwards.
 * The deadline is over the whole exchange, so a server that drips is cut like one that is silent.
 */
export type Exchange =
  | { readonly kind: 'response'; readonly response: RawResponse }
  | { readonly kind: 'none'; readonly sent: boolean; readonly problem: string }

export interface RawResponse {
  readonly status: number
  readonly headers: Headers
  readonly body: Buffer
  /** `too_large`: the size cap was reached. `cut`: the connection or the deadline ended it. */
  readonly end: 'whole' | 'too_large' | 'cut'
  /** Why it was cut; empty when it was not. */
  readonly problem: string
}

export interface ExchangeRequest {
  readonly origin: string
  readonly path: string
  readonly method: 'GET' | 'POST'
  readonly headers: Record<string, string>
  readonly body: string | null
  readonly timeoutMs: number
  readonly maxBytes: number
}

/** Throws only for a request that cannot be written at all (a key with a line break): a bug, not an outcome. */
export function exchange(agent: Agent, request: ExchangeRequest): Promise<Exchange> {
  return new Promise((resolve, reject) => {
    let controller: Dispatcher.DispatchController | null = null
    let head: { status: number; headers: Headers } | null = null
    const chunks: Buffer[] = []
    let bytes = 0
    let over = false

    const finish = (end: RawResponse['end'], problem: string): void => {
      if (over) return
      over = true
      clearTimeout(deadline)
      resolve(
        head === null
          ? { kind: 'none', sent: controller !== null, problem }
          : { kind: 'response', response: { ...head, body: Buffer.concat(chunks), end, problem } },
      )
      if (end !== 'whole') controller?.abort(new Error(problem))
    }
    const late = (): void => {
      const missing = controller === null ? 'connection' : 'complete answer'
      finish('cut', `no ${missing} within ${request.timeoutMs} ms`)
    }
    // A process that was frozen wakes with its deadline passed and the answer waiting in the socket, and timers
    // run before sockets are read: one look at them first, or a paid answer would be thrown away.
    const deadline = setTimeout(() => setImmediate(late), request.timeoutMs)

    agent.dispatch(
      {
        origin: request.origin,
        path: request.path,
        method: request.method,
        headers: request.headers,
        body: request.body,
      },
      {
        onRequestStart(started) {
          if (over) started.abort(new Error('too late to be sent'))
          else controller = started
        },
        onResponseStart(_, status, headers) {
          // 1xx: only a greeting, the response is still to come.
          if (status >= 200) head = { status, headers }
        },
        onResponseData(_, chunk) {
          if (over) return
          const room = request.maxBytes - bytes
          chunks.push(chunk.length > room ? chunk.subarray(0, room) : chunk)
          bytes += chunk.length
          if (chunk.length > room) finish('too_large', `more than ${request.maxBytes} bytes`)
        },
        onResponseEnd() {
          finish('whole', '')
        },
        onResponseError(_, error) {
          if (error instanceof errors.InvalidArgumentError) reject(error)
          finish('cut', describe(error))
        },
      },
    )
  })
}

function describe(error: Error & { code?: unknown }): string {
  switch (error.code) {
    case 'ECONNREFUSED':
      return 'connection refused'
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return 'host name not found'
    case 'UND_ERR_CONNECT_TIMEOUT':
    case 'ETIMEDOUT':
      return 'no connection in time'
    case 'ECONNRESET':
    case 'EPIPE':
    case 'UND_ERR_SOCKET':
      return 'connection lost'
    default:
      return [error.code, error.message].filter((part) => typeof part === 'string' && part !== '').join(': ')
  }
}

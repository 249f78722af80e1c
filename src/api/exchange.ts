import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Connect } from './connect.js'
import type { Headers } from './headers.js'
import { isRefusedHandshake, networkProblem } from './network-problem.js'
import { readResponseStart } from './response-start.js'
import type { Turns } from './turns.js'

/**
 * One HTTP exchange on a connection of its own: a request out, and whatever came back within the
 * deadline. It judges nothing, but it keeps apart the two things that decide about money: whether the
 * request may have left this machine, and what had arrived when the connection, the deadline or the
 * size limit ended it.
 *
 * Nothing is sent before the connection is ready (see connect.ts), and a connection that is ready only
 * after the deadline is not used. A response has begun with its status line, whether or not the HTTP
 * parser can make anything of the rest. The deadline is over the whole exchange, so a server that drips
 * is cut like one that is silent.
 */
export type Exchange =
  | {
      readonly kind: 'response'
      readonly response: RawResponse
      /** The first bytes of the connection as they came, for a response whose framing is wrong. */
      readonly wire: () => Buffer
    }
  | { readonly kind: 'none'; readonly sent: boolean; readonly problem: string }

export interface RawResponse {
  readonly status: number
  readonly headers: Headers
  readonly body: Buffer
  /** `too_large`: the size limit was reached. `cut`: the connection, the deadline or the HTTP parser ended it. */
  readonly end: 'whole' | 'too_large' | 'cut'
  /** Why it was cut; empty when it was not. */
  readonly problem: string
}

export interface ExchangeRequest {
  /** The value of the Host header. */
  readonly host: string
  readonly path: string
  readonly method: 'GET' | 'POST'
  readonly headers: Record<string, string>
  readonly body: string | null
  readonly timeoutMs: number
  readonly maxBytes: number
  /** Answers of more than `LARGE_BYTES` are read in turns, so that many of them do not fill the memory. */
  readonly largeAnswers: Turns
}

/** Five times a documented answer of a hundred tracks: what is smaller never waits for others. */
export const LARGE_BYTES = 256 * 1024
const MAX_HEADER_BYTES = 1024 * 1024
const MAX_WIRE_BYTES = MAX_HEADER_BYTES + LARGE_BYTES

/** Throws only for a request that cannot be written at all (a key with a line break): a bug, not an outcome. */
export async function exchange(connect: Connect, request: ExchangeRequest): Promise<Exchange> {
  const { timeoutMs } = request
  const startedAt = performance.now()
  const connecting = new AbortController()
  const late = new Error(`no connection within ${timeoutMs} ms`)
  const cancel = afterDeadline(timeoutMs, () => connecting.abort(late))
  let socket: Socket
  try {
    socket = await connect(connecting.signal)
  } catch (error) {
    return { kind: 'none', sent: false, problem: connecting.signal.aborted ? late.message : networkProblem(error) }
  } finally {
    cancel()
  }
  const leftMs = timeoutMs - (performance.now() - startedAt)
  if (leftMs > 0 && !socket.destroyed) return await converse(socket, request, leftMs)
  socket.destroy()
  return { kind: 'none', sent: false, problem: leftMs > 0 ? 'connection lost' : late.message }
}

function converse(socket: Socket, request: ExchangeRequest, leftMs: number): Promise<Exchange> {
  return new Promise((resolve, reject) => {
    let head: { status: number; headers: Headers } | null = null
    const body: Buffer[] = []
    let bytes = 0
    let endTurn: (() => void) | null = null
    const wire = firstBytes(MAX_WIRE_BYTES)

    let over = false
    const finish = (end: RawResponse['end'], problem: string, sent = true): void => {
      if (over) return
      over = true
      cancel()
      endTurn?.()
      socket.destroy()
      const read = head === null ? readResponseStart(wire.read()) : { ...head, body: Buffer.concat(body) }
      if (read === null) resolve({ kind: 'none', sent, problem })
      else resolve({ kind: 'response', response: { ...read, end, problem }, wire: wire.read })
    }
    const fail = (error: unknown): void => finish('cut', networkProblem(error), !isRefusedHandshake(error))
    const cancel = afterDeadline(leftMs, () => finish('cut', `no complete answer within ${request.timeoutMs} ms`))

    const receive = (response: IncomingMessage): void => {
      head = { status: response.statusCode ?? 0, headers: response.headersDistinct }
      response.on('data', (chunk: Buffer) => {
        const room = request.maxBytes - bytes
        bytes += chunk.length
        body.push(chunk.length > room ? chunk.subarray(0, room) : chunk)
        if (chunk.length > room) finish('too_large', `more than ${request.maxBytes} bytes`)
        else if (bytes > LARGE_BYTES && endTurn === null) {
          response.pause()
          endTurn = request.largeAnswers.take(() => response.resume())
        }
      })
      response.once('end', () => finish('whole', ''))
      response.once('error', fail)
    }

    let sending: ClientRequest
    try {
      sending = httpRequest({
        createConnection: () => socket,
        method: request.method,
        path: request.path,
        headers: { host: request.host, ...request.headers, ...lengthOf(request.body), connection: 'close' },
        maxHeaderSize: MAX_HEADER_BYTES,
        // Headers that a strict reader refuses would cost the answer. A lenient one is a danger only
        // where connections are shared.
        insecureHTTPParser: true,
      })
    } catch (error) {
      cancel()
      socket.destroy()
      reject(error)
      return
    }
    sending.once('socket', () => socket.on('data', wire.add))
    sending.once('response', receive)
    sending.once('upgrade', (response) => {
      receive(response)
      finish('whole', '')
    })
    sending.on('error', fail)
    sending.once('close', () => finish('cut', 'connection lost'))
    sending.end(request.body ?? undefined)
  })
}

function lengthOf(body: string | null): { 'content-length'?: string } {
  return body === null ? {} : { 'content-length': String(Buffer.byteLength(body)) }
}

/**
 * A process that was frozen wakes with its deadline passed and the answer waiting in the socket, and timers run before
 * sockets are read: one look at them first, or a paid answer would be thrown away.
 */
function afterDeadline(ms: number, late: () => void): () => void {
  let over = false
  const timer = setTimeout(() => setImmediate(() => over || late()), ms)
  return () => {
    over = true
    clearTimeout(timer)
  }
}

function firstBytes(limit: number): { add(chunk: Buffer): void; read(): Buffer } {
  const chunks: Buffer[] = []
  let bytes = 0
  return {
    add(chunk) {
      if (bytes < limit) chunks.push(chunk)
      bytes += chunk.length
    },
    read: () => (chunks.length === 1 ? (chunks[0] ?? Buffer.alloc(0)) : Buffer.concat(chunks)),
  }
}

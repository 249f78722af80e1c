import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { setImmediate as immediate } from 'node:timers/promises'
import { type Connect, isRefusedHandshake, networkProblem } from './connect.js'
import type { Headers } from './headers.js'

/**
 * One HTTP exchange on its own connection: sends a request and returns whatever arrives before the
 * deadline. It does not interpret the response. It reports the two facts that decide whether a call may be
 * paid for: whether the request may have left this machine, and what had arrived when the connection, the
 * deadline or the size limit ended the exchange.
 *
 * Nothing is sent before the connection is ready (see connect.ts). A connection is not used if it is ready
 * only after the deadline, or if the server has already closed it or sent data. A response has begun with
 * its status line, whether or not the HTTP parser accepts the rest. The deadline covers the whole exchange,
 * so a server that sends slowly is cut off like a silent one.
 */
export type Exchange =
  | {
      readonly kind: 'response'
      readonly response: RawResponse
      /** The first raw bytes of the connection, for a response whose framing is wrong. */
      readonly wire: () => Buffer
    }
  | { readonly kind: 'none'; readonly sent: boolean; readonly problem: string }

export interface RawResponse {
  readonly status: number
  readonly headers: Headers
  readonly body: Buffer
  /** `too_large`: the size limit was reached. `cut`: the connection, the deadline or the HTTP parser ended it. */
  readonly end: 'whole' | 'too_large' | 'cut'
  /** Why it was cut; empty when `end` is `whole`. */
  readonly problem: string
}

interface ExchangeRequest {
  /** The value of the Host header. */
  readonly host: string
  readonly path: string
  readonly method: 'GET' | 'POST'
  readonly headers: Record<string, string>
  readonly body: string | null
  readonly timeoutMs: number
  readonly maxBytes: number
  /** Limits how many answers above `LARGE_BYTES` are read at a time, so that they do not fill the memory. */
  readonly largeAnswers: Semaphore
}

/** Five times a documented answer of a hundred tracks. Smaller answers never wait for others. */
export const LARGE_BYTES = 256 * 1024
const MAX_HEADER_BYTES = 1024 * 1024
const MAX_WIRE_BYTES = MAX_HEADER_BYTES + LARGE_BYTES

/** A connection that becomes unusable before anything was sent is replaced: the API has seen no call yet. */
const CONNECTIONS_TO_TRY = 3

/** Throws only for a request that cannot be written at all (a key with a line break), which is a bug. */
export async function exchange(connect: Connect, request: ExchangeRequest): Promise<Exchange> {
  const { timeoutMs } = request
  const startedAt = performance.now()
  const connecting = new AbortController()
  const late = `no connection within ${timeoutMs} ms`
  const cancel = afterDeadline(timeoutMs, () => connecting.abort())
  let socket: Socket
  try {
    socket = await connectUsable(connect, connecting.signal)
  } catch (error) {
    return { kind: 'none', sent: false, problem: connecting.signal.aborted ? late : networkProblem(error) }
  } finally {
    cancel()
  }
  const leftMs = timeoutMs - (performance.now() - startedAt)
  if (leftMs > 0) return converse(socket, request, leftMs)
  socket.destroy()
  return { kind: 'none', sent: false, problem: late }
}

async function connectUsable(connect: Connect, signal: AbortSignal): Promise<Socket> {
  for (let left = CONNECTIONS_TO_TRY; left > 0; left -= 1) {
    const socket = await connect(signal)
    if (await isUsable(socket)) return socket
    socket.destroy()
  }
  throw new Error('the server closed the connection, or sent data, before the request')
}

/** In a process under load, the server may have closed the new connection as idle before it is used. */
async function isUsable(socket: Socket): Promise<boolean> {
  let isUnusable = false
  const markUnusable = (): void => {
    isUnusable = true
  }
  socket.on('data', markUnusable)
  socket.once('end', markUnusable)
  // Node reads sockets between two immediates, so a close or data is seen here.
  await immediate()
  await immediate()
  socket.off('data', markUnusable)
  socket.off('end', markUnusable)
  return !isUnusable && !socket.destroyed && socket.writable
}

function converse(socket: Socket, request: ExchangeRequest, leftMs: number): Promise<Exchange> {
  return new Promise((resolve, reject) => {
    let response: IncomingMessage | null = null
    const body: Buffer[] = []
    let bytes = 0
    let endTurn: (() => void) | null = null
    const wire = firstBytes(MAX_WIRE_BYTES)

    let over = false
    const finish = (end: RawResponse['end'], problem: string, error: unknown = null): void => {
      if (over) return
      over = true
      cancel()
      endTurn?.()
      socket.destroy()
      const read =
        response === null
          ? readResponseStart(wire.read())
          : { status: response.statusCode ?? 0, headers: response.headersDistinct, body: Buffer.concat(body) }
      const sent = !isRefusedHandshake(error)
      if (read === null) resolve({ kind: 'none', sent, problem })
      else resolve({ kind: 'response', response: { ...read, end, problem }, wire: wire.read })
    }
    // Garbage or a reset after a complete response is ignored: its 'end' event follows.
    const fail = (error: unknown): void => {
      if (response?.complete !== true) finish('cut', networkProblem(error), error)
    }
    const cancel = afterDeadline(leftMs, () => finish('cut', `no complete answer within ${request.timeoutMs} ms`))

    const receive = (incoming: IncomingMessage): void => {
      response = incoming
      incoming.on('data', (chunk: Buffer) => {
        const room = request.maxBytes - bytes
        bytes += chunk.length
        body.push(chunk.length > room ? chunk.subarray(0, room) : chunk)
        if (chunk.length > room) finish('too_large', `more than ${request.maxBytes} bytes`)
        else if (bytes > LARGE_BYTES && endTurn === null) {
          incoming.pause()
          endTurn = request.largeAnswers.take(() => incoming.resume())
        }
      })
      incoming.once('end', () => finish('whole', ''))
      incoming.on('error', fail)
    }

    let sending: ClientRequest
    try {
      sending = httpRequest({
        createConnection: () => socket,
        method: request.method,
        path: request.path,
        headers: { host: request.host, ...request.headers, ...lengthOf(request.body), connection: 'close' },
        maxHeaderSize: MAX_HEADER_BYTES,
        // A strict parser would lose a paid answer over invalid headers. A lenient one is dangerous
        // only on shared connections.
        insecureHTTPParser: true,
      })
    } catch (error) {
      cancel()
      socket.destroy()
      reject(error)
      return
    }
    // Prepended to run before the parser, which may fail at the first bytes.
    sending.once('socket', () => socket.prependListener('data', wire.add))
    sending.once('response', receive)
    sending.once('upgrade', (incoming) => {
      receive(incoming)
      finish('whole', '')
    })
    sending.on('error', fail)
    sending.once('close', () => fail(new Error('connection lost')))
    sending.end(request.body ?? undefined)
  })
}

function lengthOf(body: string | null): { 'content-length'?: string } {
  return body === null ? {} : { 'content-length': String(Buffer.byteLength(body)) }
}

/**
 * When a frozen process wakes, its deadline has passed while the answer waits in the socket. Timers run before
 * sockets are read. So read the sockets once more first, or a paid answer would be discarded.
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

interface ResponseStart {
  readonly status: number
  readonly headers: Headers
  /** The bytes after the headers; empty when the headers never ended. */
  readonly body: Buffer
}

const STATUS_LINE = /HTTP\/\d(?:\.\d)? (\d{3}|2\d?$)/i
const END_OF_HEAD = /\r?\n\r?\n/

/**
 * Reads the beginning of a response from bytes that the HTTP parser rejected: invalid headers, too many
 * headers, or a connection lost within them. The status line decides: a call with a 2xx may be paid for,
 * and one with any other status was free. Stray bytes before it, such as the end of another response, are skipped.
 *
 * @returns null when there is no final status line (1xx are skipped)
 */
export function readResponseStart(bytes: Buffer): ResponseStart | null {
  // One character per byte, so offsets in the text are offsets in the bytes.
  const text = bytes.toString('latin1')
  let from = 0
  for (;;) {
    const found = STATUS_LINE.exec(text.slice(from))
    if (found === null) return null
    from += found.index
    const rest = text.slice(from)
    const status = Number(found[1]?.padEnd(3, '0'))
    const end = END_OF_HEAD.exec(rest)
    const headLength = end === null ? rest.length : end.index + end[0].length
    if (status >= 200) {
      return { status, headers: readHeaders(rest.slice(0, headLength)), body: bytes.subarray(from + headLength) }
    }
    if (end === null) return null
    from += headLength
  }
}

/** Skips lines that are not headers; keeps all values of a repeated header. */
function readHeaders(head: string): Headers {
  const headers = new Map<string, string[]>()
  for (const line of head.split(/\r?\n/).slice(1)) {
    const colon = line.indexOf(':')
    if (colon < 1) continue
    const name = line.slice(0, colon).trim().toLowerCase()
    const value = line.slice(colon + 1).trim()
    const values = headers.get(name)
    if (values === undefined) headers.set(name, [value])
    else values.push(value)
  }
  return Object.fromEntries(headers)
}

/** A semaphore: `atATime` callers run at once, the others wait in order. */
export interface Semaphore {
  /** Runs `go` now or later. @returns a function that ends the turn or leaves the queue; may be called twice */
  take(go: () => void): () => void
}

export function createSemaphore(atATime: number): Semaphore {
  const waiting = new Set<() => void>()
  let free = atATime
  const next = (): void => {
    const [go] = waiting
    if (go === undefined || free === 0) return
    waiting.delete(go)
    free -= 1
    go()
  }
  return {
    take(go) {
      let isRunning = false
      let over = false
      const start = (): void => {
        isRunning = true
        go()
      }
      waiting.add(start)
      next()
      return () => {
        if (over) return
        over = true
        waiting.delete(start)
        if (!isRunning) return
        free += 1
        next()
      }
    },
  }
}

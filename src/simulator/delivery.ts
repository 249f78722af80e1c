import type { ServerResponse } from 'node:http'
import type { OpenCall } from './call-log.js'
import type { Reply } from './reply.js'

/**
 * Sends a reply completely, or in one of the ways in which replies fail to arrive. Each way writes to the
 * log how the call ended, as far as a server can know.
 */

export interface Delivery {
  readonly response: ServerResponse
  readonly timers: Timers
  /** Only calls of POST /search are logged. */
  readonly call?: OpenCall
}

export function deliver(delivery: Delivery, reply: Reply): void {
  if (!start(delivery, reply)) return
  delivery.response.end(reply.body, () => delivery.call?.end('answered'))
}

/** The headers announce the whole body, half of it is sent, then the connection is destroyed. */
export function deliverHalf(delivery: Delivery, reply: Reply): void {
  if (!start(delivery, reply)) return
  delivery.response.write(Buffer.from(reply.body).subarray(0, Buffer.byteLength(reply.body) >> 1), () => {
    delivery.call?.end('cut')
    delivery.response.destroy()
  })
}

/** Sends a byte every so many milliseconds. A client with a timeout for each read, but none for the whole, waits forever. */
export function drip(delivery: Delivery, reply: Reply, everyMs: number): void {
  if (!start(delivery, reply)) return
  const bytes = Buffer.from(reply.body)
  const next = (index: number) => {
    if (delivery.response.destroyed) return
    if (index === bytes.length) {
      delivery.response.end(() => delivery.call?.end('answered'))
      return
    }
    delivery.response.write(bytes.subarray(index, index + 1))
    delivery.timers.after(everyMs, () => next(index + 1))
  }
  next(0)
}

export function cut(delivery: Delivery): void {
  delivery.call?.end('cut')
  delivery.response.destroy()
}

/** The connection stays open until the caller or the simulator ends it. */
export function hang(delivery: Delivery): void {
  delivery.call?.end('hung')
}

/** False: the caller is gone already. */
function start({ response, call }: Delivery, reply: Reply): boolean {
  if (response.destroyed) return false
  call?.answering(reply.status)
  response.writeHead(reply.status, { ...reply.headers, 'content-length': Buffer.byteLength(reply.body) })
  return true
}

export type Timers = ReturnType<typeof createTimers>

/** Timers that are cleared when the simulator closes. */
export function createTimers() {
  const pending = new Set<NodeJS.Timeout>()
  return {
    after(ms: number, run: () => void): void {
      const timer = setTimeout(() => {
        pending.delete(timer)
        run()
      }, ms)
      pending.add(timer)
    },
    clear(): void {
      for (const timer of pending) clearTimeout(timer)
      pending.clear()
    },
  }
}

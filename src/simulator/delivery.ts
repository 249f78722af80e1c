import type { ServerResponse } from 'node:http'
import type { OpenCall } from './call-log.js'
import type { Reply } from './reply.js'

/**
 * How a reply travels: whole, or in one of the ways in which replies do not arrive. Each way tells the
 * log how the call ended, as far as this side of the wire can know.
 */
export interface Way {
  readonly response: ServerResponse
  readonly timers: Timers
  /** Absent for what is not logged: everything but searches. */
  readonly call?: OpenCall
}

export function deliver(way: Way, reply: Reply): void {
  if (!start(way, reply)) return
  way.response.end(reply.body, () => way.call?.end('answered'))
}

/** Headers promise the whole body, half of it goes out, then the connection is gone. */
export function deliverHalf(way: Way, reply: Reply): void {
  if (!start(way, reply)) return
  way.response.write(Buffer.from(reply.body).subarray(0, Buffer.byteLength(reply.body) >> 1), () => {
    way.call?.end('cut')
    way.response.destroy()
  })
}

/** One byte every so many milliseconds: a client that times each read, not the whole, waits for ever. */
export function drip(way: Way, reply: Reply, everyMs: number): void {
  if (!start(way, reply)) return
  const bytes = Buffer.from(reply.body)
  const next = (index: number) => {
    if (way.response.destroyed) return
    if (index === bytes.length) {
      way.response.end(() => way.call?.end('answered'))
      return
    }
    way.response.write(bytes.subarray(index, index + 1))
    way.timers.after(everyMs, () => next(index + 1))
  }
  next(0)
}

export function cut(way: Way): void {
  way.call?.end('cut')
  way.response.destroy()
}

/** The connection stays open until the caller or the simulator ends it. */
export function hang(way: Way): void {
  way.call?.end('hung')
}

/** False when the caller has gone already. */
function start({ response, call }: Way, reply: Reply): boolean {
  if (response.destroyed) return false
  call?.answering(reply.status)
  response.writeHead(reply.status, { ...reply.headers, 'content-length': Buffer.byteLength(reply.body) })
  return true
}

export type Timers = ReturnType<typeof createTimers>

/** Timers that end with the simulator. */
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

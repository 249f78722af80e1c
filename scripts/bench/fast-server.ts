import type { ChildProcess } from 'node:child_process'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createInterface } from 'node:readline'
import { BASE_PATH } from '../../src/simulator/api.js'
import { createTrackLibrary } from '../../src/simulator/track-library.js'
import { startRole } from './environment.js'

/**
 * A server that uses hardly any CPU, so that the client is what is measured: prepared answers of twenty tracks
 * (6 KB, as the simulator makes them), no limit, no log. It runs in a process of its own and times the calls, so
 * every client is measured by the same clock, from its first call to its last answer.
 */
export interface FastServer {
  readonly url: string
  /** Sets the count to 0. */
  reset(): Promise<void>
  counted(): Promise<Counted>
  close(): Promise<void>
}

export interface Counted {
  readonly calls: number
  /** From the first call's arrival to the last answer; 0 for less than two calls. */
  readonly seconds: number
}

/** Starts the helper process: `node bench.js as-fast-server LATENCY_MS`. */
export const FAST_SERVER_ROLE = 'as-fast-server'

const PATIENCE_MS = 10_000
const ANSWERS = 64
/** Calls a minute; more than any client makes. */
const NO_LIMIT = 60_000_000

export async function startFastServer(latencyMs: number): Promise<FastServer> {
  const child = startRole([FAST_SERVER_ROLE, String(latencyMs)], ['pipe', 'pipe', 'inherit'])
  const origin = await firstLine(child)
  const ended = new Promise((resolve) => child.once('exit', resolve))
  return {
    url: origin + BASE_PATH,
    reset: async () => void (await fetch(`${origin}/reset`)),
    counted: async () => (await (await fetch(`${origin}/counted`)).json()) as Counted,
    async close() {
      child.stdin?.end()
      await ended
    },
  }
}

/** The helper process: prints its address, and ends when its parent closes the pipe or dies. */
export async function playFastServer(latencyMs: number): Promise<void> {
  const answers = makeAnswers()
  let calls = 0
  let firstAt = 0
  let lastAt = 0
  const server = createServer((request, response) => {
    switch (request.url) {
      case `${BASE_PATH}/search`: {
        calls += 1
        if (calls === 1) firstAt = performance.now()
        const answer = answers[calls % ANSWERS] ?? ''
        request.resume().on('end', () => {
          const reply = () => {
            lastAt = performance.now()
            json(response, answer)
          }
          if (latencyMs > 0) setTimeout(reply, latencyMs)
          else reply()
        })
        return
      }
      case '/reset':
        calls = 0
        return json(response, '{}')
      case '/counted':
        return json(response, JSON.stringify({ calls, seconds: calls < 2 ? 0 : (lastAt - firstAt) / 1000 }))
      default:
        return json(response, JSON.stringify(ME))
    }
  })
  server.keepAliveTimeout = 60_000
  server.listen(0, '127.0.0.1', () => {
    console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  })
  await new Promise((resolve) => process.stdin.resume().once('end', resolve))
  server.closeAllConnections()
  server.close()
}

const ME = {
  tier: 'pro',
  credits_remaining: 100_000_000,
  monthly_allowance: 100_000_000,
  rate_limit: { requests_per_minute: NO_LIMIT, requests_per_day: null },
  created_at: '2026-01-01T00:00:00Z',
  last_used_at: null,
}

export function makeAnswers(): readonly string[] {
  const library = createTrackLibrary(1, 0, 20)
  return Array.from({ length: ANSWERS }, (_, index) => {
    const query = `scene ${index} music`
    const tracks = library.find({
      body: null,
      query,
      limit: 20,
      offset: 0,
      filters: {},
      canonical: query,
      problem: null,
    })
    return `{"tracks":[${tracks.join()}],"credits_remaining":90000000}`
  })
}

function json(response: ServerResponse, body: string): void {
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) })
  response.end(body)
}

function firstLine(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    const alarm = setTimeout(() => reject(new Error('the server did not start in time')), PATIENCE_MS)
    child.once('exit', (code) => reject(new Error(`the server ended with ${code}`)))
    if (child.stdout === null) return
    createInterface({ input: child.stdout }).once('line', (line) => {
      clearTimeout(alarm)
      resolve(line)
    })
  })
}

/** Waits until that many calls have arrived. @throws Error when no call arrives for a minute */
export async function untilCalls(server: FastServer, calls: number): Promise<Counted> {
  let before = -1
  let changedAt = performance.now()
  for (;;) {
    const counted = await server.counted()
    if (counted.calls >= calls) return countWhenAnswered(server)
    if (counted.calls !== before) changedAt = performance.now()
    before = counted.calls
    if (performance.now() - changedAt > 60_000)
      throw new Error(`the server saw ${counted.calls} of ${calls} calls, and no more for a minute`)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

/** Waits for the last answers, which may not have been sent yet. */
async function countWhenAnswered(server: FastServer): Promise<Counted> {
  await new Promise((resolve) => setTimeout(resolve, 300))
  return server.counted()
}

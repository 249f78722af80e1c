import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { BASE_PATH, createApi } from './api.js'
import { createCallLog } from './call-log.js'
import { createControls, type SimulatorControls } from './controls.js'
import { createTimers } from './delivery.js'
import { createFaults } from './faults.js'
import { completeOptions, type SimulatorOptions } from './options.js'
import { CONTROL_PATH, handleControl } from './remote-control.js'
import { createAccount } from './simulated-account.js'
import { createTrackLibrary } from './track-library.js'

/**
 * A local double of the Trackyard API, built from its public document, for free tests, demos and benchmarks.
 * It answers like the real one, injects faults on command, and logs every search with what it was charged.
 * System tests rely on that log, so the simulator shares no code with the client.
 */
export interface Simulator extends SimulatorControls {
  /** The base URL for a client. */
  readonly url: string
  /** Where remote-control.ts answers. */
  readonly controlUrl: string
  readonly port: number
  /** @throws Error when fewer calls have arrived in time. */
  waitForCalls(count: number, timeoutMs: number): Promise<void>
  /** Closes every connection, also hanging ones. May be called twice. */
  close(): Promise<void>
}

/** Larger bodies are cut off. No documented request is nearly as long. */
const LARGEST_BODY = 1024 * 1024

/** @throws RangeError or TypeError for invalid options, and what `listen` throws (port in use). */
export async function startSimulator(given: Partial<SimulatorOptions> = {}): Promise<Simulator> {
  const options = completeOptions(given)
  const account = createAccount(options, performance.now())
  const faults = createFaults(options.seed, options.faults)
  const library = createTrackLibrary(options.seed, options.noMatchRate, options.tracksPerAnswer)
  const log = createCallLog()
  const timers = createTimers()
  const handleCall = createApi({ options, account, faults, library, log, timers })

  const controls = createControls(account, faults, log)
  const server = createServer((request, response) => {
    withBody(request, response, (body) => {
      const [path = '', query = ''] = (request.url ?? '').split('?')
      const exchange = { request, response, path, query, body }
      if (path.startsWith(`${CONTROL_PATH}/`)) handleControl(controls, timers, exchange)
      else handleCall(exchange)
    })
  })
  // A connection closed just as the next request arrives would look like a fault that no rule injected.
  server.keepAliveTimeout = 10 * 60 * 1000
  server.requestTimeout = 0
  const port = await listen(server, options.port)
  const origin = `http://127.0.0.1:${port}`

  return {
    ...controls,
    url: origin + BASE_PATH,
    controlUrl: origin + CONTROL_PATH,
    port,
    waitForCalls: log.waitForCalls,
    close: () =>
      new Promise((resolve) => {
        timers.clear()
        log.close()
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

function withBody(request: IncomingMessage, response: ServerResponse, then: (body: string) => void): void {
  const chunks: Buffer[] = []
  let size = 0
  request.on('data', (chunk: Buffer) => {
    size += chunk.length
    if (size > LARGEST_BODY) response.destroy()
    else chunks.push(chunk)
  })
  request.on('end', () => then(chunks.length === 1 ? String(chunks[0]) : Buffer.concat(chunks).toString()))
}

function listen(server: ReturnType<typeof createServer>, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', () => {
      server.off('error', reject)
      const address = server.address()
      resolve(typeof address === 'object' && address !== null ? address.port : port)
    })
  })
}

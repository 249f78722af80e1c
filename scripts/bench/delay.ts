import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { median } from './figure.js'

/** A proxy that simulates a distant server: it forwards every chunk after a delay, in order. */
export interface Delay {
  readonly port: number
  close(): Promise<void>
}

export async function startDelay(target: number, oneWayMs: number): Promise<Delay> {
  const sockets = new Set<Socket>()
  const server = createServer((client) => {
    const upstream = connect(target, '127.0.0.1')
    const end = (): void => {
      for (const socket of [client, upstream]) socket.destroy()
    }
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(from)
      from.setNoDelay(true).on('error', end)
      from.on('data', (chunk) => void sleep(oneWayMs).then(() => to.write(chunk)))
      from.on('close', () => {
        sockets.delete(from)
        void sleep(oneWayMs).then(end)
      })
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

const SAMPLES = 15
/** PostgreSQL's SSLRequest, which the server answers with one byte. */
const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f])

/** The median round trip to PostgreSQL at that port, ms. */
export async function roundTripMs(port: number): Promise<number> {
  const tripsMs: number[] = []
  for (let sample = 0; sample < SAMPLES; sample += 1) {
    const socket = connect(port, '127.0.0.1').setNoDelay(true)
    await once(socket, 'connect')
    // Lets a proxy open its own connection first.
    await sleep(20)
    const from = performance.now()
    socket.write(SSL_REQUEST)
    await once(socket, 'data')
    tripsMs.push(performance.now() - from)
    socket.destroy()
  }
  return median(tripsMs)
}

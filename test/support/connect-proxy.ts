import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import { type AddressInfo, connect, type Server, type Socket } from 'node:net'

/** Runs a server on this machine while it is used. */
export async function withServer<T>(server: Server, use: (port: number) => Promise<T>): Promise<T> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    socket.on('error', () => {})
    sockets.add(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  try {
    return await use((server.address() as AddressInfo).port)
  } finally {
    for (const socket of sockets) socket.destroy()
    server.close()
    await once(server, 'close')
  }
}

/** A proxy that opens tunnels, or answers CONNECT with something else. */
export function proxyServer(seen: IncomingMessage[], answer: string | null = null): Server {
  const server = createServer((_, response) => response.writeHead(400).end())
  server.on('connect', (incoming: IncomingMessage, client: Socket) => {
    seen.push(incoming)
    client.on('error', () => {})
    if (answer !== null) {
      client.end(answer)
      return
    }
    const [host, port] = (incoming.url ?? '').split(':')
    const target = connect(Number(port), host, () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n')
      target.pipe(client).pipe(target)
    })
    target.on('error', () => client.destroy())
  })
  return server
}

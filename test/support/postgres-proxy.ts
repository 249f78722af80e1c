import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** Stands between a store and a real PostgreSQL, and loses what a network may lose. */
export interface PostgresProxy {
  /** The same database, through the proxy. */
  readonly url: string
  /**
   * The next change is committed, but its connection ends instead of the acknowledgement. Resolves then.
   */
  loseAcknowledgement(): Promise<void>
  /** What the present connections send from now on is lost, and they stay open. */
  swallow(): void
  /** The same for the next connection that sends a statement with this text, once the server has it. Resolves then. */
  swallowAfter(text: string): Promise<void>
  /** New connections go to another server of this machine. */
  leadTo(port: number): void
  close(): Promise<void>
}

export async function startPostgresProxy(database: string): Promise<PostgresProxy> {
  const target = new URL(database)
  let port = Number(target.port)
  const sockets = new Set<Socket>()
  let lost: (() => void) | null = null
  let swallowed: ReadonlySet<Socket> = new Set()
  let last: { readonly text: string; readonly sent: () => void } | null = null

  const server = createServer((client) => {
    const upstream = connect(port, target.hostname)
    const end = (): void => {
      for (const socket of [client, upstream]) {
        socket.destroy()
        sockets.delete(socket)
      }
    }
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.setNoDelay(true).on('error', end).on('close', end)
    }
    let isChange = false
    let isCommitting = false
    client.on('data', (data) => {
      if (swallowed.has(client)) return
      if (data.includes('pg_advisory_xact_lock')) isChange = true
      if (data.includes('commit\0')) {
        isCommitting = isChange && lost !== null
        isChange = false
      }
      upstream.write(data)
      if (last === null || !data.includes(last.text)) return
      swallowed = new Set([client])
      last.sent()
      last = null
    })
    upstream.on('data', (data) => {
      if (!isCommitting) client.write(data)
      else if (data.includes('COMMIT\0')) {
        end()
        lost?.()
        lost = null
      }
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = new URL(database)
  url.port = String((server.address() as AddressInfo).port)
  return {
    url: url.href,
    loseAcknowledgement: () =>
      new Promise((resolve) => {
        lost = resolve
      }),
    swallow: () => {
      swallowed = new Set(sockets)
    },
    swallowAfter: (text) =>
      new Promise((resolve) => {
        last = { text, sent: resolve }
      }),
    leadTo: (other) => {
      port = other
    },
    close: async () => {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

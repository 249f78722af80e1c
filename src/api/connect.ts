import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { type ConnectionOptions, connect as connectTls } from 'node:tls'

/**
 * A connection of its own for every call. Nothing has been sent to the API before one is ready, so
 * whatever fails in here (name, port, TLS, proxy) was free of charge; and an answer that somebody
 * repeats, or a server that closes idle connections, can never meet another call.
 */
export type Connect = (signal: AbortSignal) => Promise<Socket>

/** A proxy that does not open the way: the API never saw the call. */
export class ProxyError extends Error {
  override readonly name = 'ProxyError'
}

/** @param proxy every connection is a tunnel through it (CONNECT), for http and https alike */
export function connector(target: URL, proxy: URL | null): Connect {
  // Resumed, a handshake costs one round trip less.
  let session: Buffer | undefined
  return async (signal) => {
    const tunnel = proxy === null ? null : await openTunnel(proxy, target, signal)
    if (target.protocol !== 'https:') return tunnel ?? (await ready(dial(target), 'connect', signal))
    const options: ConnectionOptions = { ...address(target), ...serverName(target), ALPNProtocols: ['http/1.1'] }
    if (tunnel !== null) options.socket = tunnel
    if (session !== undefined) options.session = session
    const socket = connectTls(options)
    socket.on('session', (ticket) => {
      session = ticket
    })
    return ready(socket, 'secureConnect', signal)
  }
}

function dial(url: URL): Socket {
  return connectTcp({ ...address(url), noDelay: true })
}

async function openTunnel(proxy: URL, target: URL, signal: AbortSignal): Promise<Socket> {
  const { port } = address(target)
  const authority = `${target.hostname}:${port}`
  const asked = (proxy.protocol === 'https:' ? httpsRequest : httpRequest)({
    ...address(proxy),
    ...serverName(proxy),
    method: 'CONNECT',
    path: authority,
    headers: { host: authority, ...credentials(proxy) },
    agent: false,
    signal,
  })
  return new Promise((resolve, reject) => {
    asked.once('connect', (response, socket, head) => {
      const status = response.statusCode ?? 0
      if (status >= 200 && status <= 299) {
        socket.on('error', () => {})
        // What a proxy adds behind its answer belongs to the tunnel.
        if (head.length > 0) socket.unshift(head)
        resolve(socket as Socket)
        return
      }
      socket.destroy()
      const hint = status === 407 ? '; set user name and password in the address of the proxy' : ''
      reject(
        new ProxyError(`the proxy ${proxy.host} refused: HTTP ${status} ${response.statusMessage ?? ''}`.trim() + hint),
      )
    })
    asked.on('error', (error) => {
      reject(new ProxyError(`the proxy ${proxy.host} cannot be reached: ${error.message}`, { cause: error }))
    })
    asked.end()
  })
}

function ready(socket: Socket, event: 'connect' | 'secureConnect', signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    // Stays: what happens to the connection later, the exchange hears by other ways.
    socket.on('error', reject)
    socket.once('close', () => reject(new Error('connection closed before it was ready')))
    socket.once(event, () => {
      socket.setNoDelay(true)
      resolve(socket)
    })
    const giveUp = (): void => {
      reject(signal.reason)
      socket.destroy()
    }
    if (signal.aborted) giveUp()
    else signal.addEventListener('abort', giveUp, { once: true })
  })
}

function address(url: URL): { host: string; port: number } {
  // Brackets are of the URL; the name service knows none.
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1')
  return { host, port: Number(url.port) || (url.protocol === 'https:' ? 443 : 80) }
}

/** A number is no name (RFC 6066). */
function serverName(url: URL): { servername?: string } {
  const { host } = address(url)
  return isIP(host) === 0 ? { servername: host } : {}
}

function credentials({ username, password }: URL): { 'proxy-authorization'?: string } {
  if (username === '' && password === '') return {}
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  return { 'proxy-authorization': `Basic ${Buffer.from(pair).toString('base64')}` }
}

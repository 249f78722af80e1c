import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { type ConnectionOptions, connect as connectTls } from 'node:tls'
import { errorCode } from '../domain/errors.js'

/**
 * Opens a new connection for every call. Nothing is sent to the API before the connection is ready, so any
 * failure here (name, port, TLS, proxy) is free. A server that repeats an answer or closes idle
 * connections can never affect another call.
 */
export type Connect = (signal: AbortSignal) => Promise<Socket>

/** The proxy did not open a tunnel, so the API never saw the call. */
class ProxyError extends Error {
  override readonly name = 'ProxyError'
}

/** @param proxy every connection is tunnelled through it (CONNECT), for http and https alike */
export function connector(target: URL, proxy: URL | null): Connect {
  // Resuming the TLS session saves one round trip.
  let session: Buffer | undefined
  return async (signal) => {
    const tunnel = proxy === null ? null : await openTunnel(proxy, target, signal)
    if (target.protocol !== 'https:') return tunnel ?? (await ready(connectTcp(address(target)), 'connect', signal))
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

async function openTunnel(proxy: URL, target: URL, signal: AbortSignal): Promise<Socket> {
  const { port } = address(target)
  const authority = `${target.hostname}:${port}`
  const connecting = (proxy.protocol === 'https:' ? httpsRequest : httpRequest)({
    ...address(proxy),
    ...serverName(proxy),
    method: 'CONNECT',
    path: authority,
    headers: { host: authority, ...proxyCredentials(proxy) },
    agent: false,
    signal,
  })
  return new Promise((resolve, reject) => {
    connecting.once('connect', (response, socket, head) => {
      const status = response.statusCode ?? 0
      if (status >= 200 && status <= 299) {
        socket.on('error', () => {})
        // Bytes after the proxy's response belong to the tunnel.
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
    connecting.on('error', (error) => {
      reject(new ProxyError(`the proxy ${proxy.host} cannot be reached: ${error.message}`, { cause: error }))
    })
    connecting.end()
  })
}

function ready(socket: Socket, event: 'connect' | 'secureConnect', signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    // Never removed: an unhandled 'error' event would crash the process. exchange.ts detects later errors itself.
    socket.on('error', reject)
    socket.once('close', () => {
      signal.removeEventListener('abort', giveUp)
      reject(new Error('connection closed before it was ready'))
    })
    socket.once(event, () => {
      signal.removeEventListener('abort', giveUp)
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
  // Brackets belong to the URL; DNS and sockets expect the bare IPv6 address.
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1')
  return { host, port: Number(url.port) || (url.protocol === 'https:' ? 443 : 80) }
}

/** SNI allows no IP address (RFC 6066). */
function serverName(url: URL): { servername?: string } {
  const { host } = address(url)
  return isIP(host) === 0 ? { servername: host } : {}
}

function proxyCredentials(proxy: URL): { 'proxy-authorization'?: string } {
  const credentials = basicCredentials(proxy)
  return credentials === null ? {} : { 'proxy-authorization': credentials }
}

/** The user and password of an address, as a header carries them; null: it has none. */
export function basicCredentials({ username, password }: URL): string | null {
  if (username === '' && password === '') return null
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  return `Basic ${Buffer.from(pair).toString('base64')}`
}

/** Why a call failed, as a phrase for people that names what to fix. */
export function networkProblem(error: unknown): string {
  if (error instanceof ProxyError) return error.message
  const code = errorCode(error)
  const message = error instanceof Error ? error.message : String(error)
  return knownProblem(code, message) ?? [code, message].filter(Boolean).join(': ')
}

/** By the error codes of Node and OpenSSL, most of them for an untrusted certificate. */
function knownProblem(code: string, message: string): string | null {
  switch (code) {
    case 'ECONNREFUSED':
      return 'connection refused'
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return 'host name not found'
    case 'ETIMEDOUT':
      return 'no connection in time'
    case 'ECONNRESET':
    case 'EPIPE':
      return 'connection lost'
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
    case 'UNABLE_TO_GET_ISSUER_CERT':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
      return `TLS: the certificate comes from an unknown authority (${message}); for a private one, set NODE_EXTRA_CA_CERTS to the file of its certificate`
    case 'CERT_HAS_EXPIRED':
      return 'TLS: the certificate has expired; check the clock of this machine and the certificate of the server'
    case 'CERT_NOT_YET_VALID':
      return 'TLS: the certificate is not valid yet; check the clock of this machine'
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return `TLS: the certificate is for another host (${message}); check the host name in the address`
    default:
      if (code.startsWith('HPE_')) return `no proper HTTP: ${message.replace(/^(Error: )?Parse Error: /, '')}`
      return /^(ERR_SSL_|EPROTO)/.test(code) ? `TLS failed (${code}): ${message}` : null
  }
}

/**
 * A server that requires a client certificate rejects the connection after our side of the handshake. The
 * request is then already sent, but the server has not read it.
 */
export function isRefusedHandshake(error: unknown): boolean {
  return /^ERR_SSL_\w*ALERT_(CERTIFICATE_REQUIRED|BAD_CERTIFICATE|UNKNOWN_CA|HANDSHAKE_FAILURE|ACCESS_DENIED)$/.test(
    errorCode(error),
  )
}

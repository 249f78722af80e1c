import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import { ConfigurationError, errorCode } from '../domain/errors.js'
import { isLoopback, SHORTEST_PASSWORD } from '../domain/loopback.js'
import { bareHost } from './access.js'
import type { BoardOptions } from './board-options.js'
import { messageOf } from './silence.js'
import { buildWeb } from './web.js'

/**
 * The board: Bull Board with both queues, health and readiness probes, and the metrics, on one
 * port. It owns only that port. Queues, use cases and reports stay open when it closes.
 */
export interface Board {
  /** The address for a browser on this machine, without a trailing slash. */
  readonly url: string
  /** Also ends open connections. A second call returns the same promise. */
  close(): Promise<void>
}

const DEFAULT_USER = 'trackyard'

/**
 * Throws `ConfigurationError` for a host off loopback without a password or with a short one, and
 * for an address that cannot be opened.
 */
export async function startBoard(options: BoardOptions): Promise<Board> {
  const loopback = isLoopback(options.host)
  const password = options.password === '' ? null : options.password
  if (!loopback && password === null) {
    throw new ConfigurationError(
      `The board on ${options.host} would be open to everyone. Set TRACKYARD_BOARD_PASSWORD, or TRACKYARD_BOARD_HOST to 127.0.0.1.`,
    )
  }
  if (!loopback && password !== null && [...password].length < SHORTEST_PASSWORD) {
    throw new ConfigurationError(
      `The password of a board on ${options.host} must have at least ${SHORTEST_PASSWORD} characters, because other machines can reach it. Set a longer TRACKYARD_BOARD_PASSWORD.`,
    )
  }
  const credentials = password === null ? null : { username: options.user ?? DEFAULT_USER, password }
  const web = buildWeb(options, { loopback, credentials })
  const server = createServer(getRequestListener(web.fetch))
  const port = await listen(server, options.host, options.port)
  const url = `http://${hostForBrowser(options.host)}:${port}`
  options.log.info(
    { event: 'board.started', url, readOnly: options.readOnly, asksForPassword: credentials !== null },
    `Bull Board is at ${url}`,
  )

  let closing: Promise<void> | null = null
  return {
    url,
    close: () => {
      closing ??= closeServer(server)
      return closing
    },
  }
}

async function listen(server: Server, host: string, port: number): Promise<number> {
  try {
    server.listen(port, bareHost(host))
    await once(server, 'listening')
  } catch (error) {
    throw new ConfigurationError(describeListenError(error, host, port), { cause: error })
  }
  return (server.address() as AddressInfo).port
}

function describeListenError(error: unknown, host: string, port: number): string {
  switch (errorCode(error)) {
    case 'EADDRINUSE':
      return `Port ${port} on ${host} is in use by another program, perhaps by the board of a running \`up\`. Stop it, or set TRACKYARD_BOARD_PORT to a free port (0 takes any).`
    case 'EACCES':
      return `Port ${port} cannot be opened by this user. Set TRACKYARD_BOARD_PORT to a port above 1023.`
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `${host} is not an address of this machine. Set TRACKYARD_BOARD_HOST to one that is, such as 127.0.0.1.`
    default:
      return `The board cannot listen on ${host}:${port} (${messageOf(error)}). Check TRACKYARD_BOARD_HOST and TRACKYARD_BOARD_PORT.`
  }
}

/** A browser cannot open the wildcard address. */
function hostForBrowser(host: string): string {
  const bare = bareHost(host)
  if (bare === '0.0.0.0' || bare === '::') return 'localhost'
  return bare.includes(':') ? `[${bare}]` : bare
}

async function closeServer(server: Server): Promise<void> {
  const closed = once(server, 'close')
  server.close()
  server.closeAllConnections()
  await closed
}

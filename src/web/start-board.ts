import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import { ConfigurationError, errorCode } from '../domain/errors.js'
import { bareHost } from './access.js'
import type { BoardOptions } from './board-options.js'
import { messageOf } from './silence.js'
import { buildWeb } from './web.js'

/**
 * The board: our pages, Bull Board, health and readiness probes, and the metrics, on one port. It
 * owns only that port. Queues, use cases and reports stay open when it closes.
 */
export interface Board {
  /** The address for a browser on this machine, without a trailing slash. */
  readonly url: string
  /** Also ends open connections. A second call returns the same promise. */
  close(): Promise<void>
}

/** @throws ConfigurationError if the address cannot be opened */
export async function startBoard(options: BoardOptions): Promise<Board> {
  const server = createServer(getRequestListener(buildWeb(options).fetch))
  const port = await listen(server, options.host, options.port)
  const url = `http://${hostForBrowser(options.host)}:${port}`
  options.log.info(
    { event: 'board.started', url, readOnly: options.readOnly, asksForPassword: options.password !== null },
    `The board is at ${url}`,
  )

  let closing: Promise<void> | null = null
  return {
    url,
    close: () => (closing ??= closeServer(server)),
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

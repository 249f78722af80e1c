import type { Context, MiddlewareHandler } from 'hono'
import { isLoopback } from '../domain/loopback.js'

/**
 * Who gets in, before any password: a page of somebody else's, open in the operator's browser, must neither
 * press our buttons (cross-site request) nor read our pages under a name of its own that it lets point to
 * 127.0.0.1 (DNS rebinding). Browsers send a remembered password along with both.
 */
const SAFE_METHODS = ['GET', 'HEAD', 'OPTIONS']

/** `[::1]` and `::1` are the same host. */
export function bareHost(host: string): string {
  return host.replace(/^\[(.*)\]$/, '$1').toLowerCase()
}

export function changes(method: string): boolean {
  return !SAFE_METHODS.includes(method)
}

/** For a board that is bound to loopback: it answers to loopback's names only. */
export function hostCheck(): MiddlewareHandler {
  return async (c, next) => {
    const name = c.req.header('host')?.replace(/:\d+$/, '') ?? ''
    if (!isLoopback(name)) {
      return refuse(
        c,
        'This board is bound to loopback and answers to localhost only. For another name set TRACKYARD_BOARD_HOST and TRACKYARD_BOARD_PASSWORD.',
      )
    }
    return next()
  }
}

/** Requests that change something come from our own page, or from no page at all (curl). */
export function csrf(): MiddlewareHandler {
  return async (c, next) => {
    if (changes(c.req.method) && !fromOwnPage(c)) {
      return refuse(c, 'The request came from a page of another site.')
    }
    return next()
  }
}

export function readOnly(): MiddlewareHandler {
  return async (c, next) => {
    if (changes(c.req.method)) return refuse(c, 'This board is read-only (TRACKYARD_BOARD_READ_ONLY).')
    return next()
  }
}

/** Sec-Fetch-Site is the browser's own word, but it is sent over https and to loopback only; else Origin must name us. */
function fromOwnPage(c: Context): boolean {
  const site = c.req.header('sec-fetch-site')
  if (site !== undefined) return site === 'same-origin' || site === 'none'
  const origin = c.req.header('origin')
  if (origin === undefined) return true
  return URL.canParse(origin) && new URL(origin).host === c.req.header('host')?.toLowerCase()
}

/** In the shape that Bull Board's page shows as a notice: a title and a sentence. */
function refuse(c: Context, message: string): Response {
  return c.json({ error: 'Refused', message: message }, 403)
}

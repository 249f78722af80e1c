import type { Context, MiddlewareHandler } from 'hono'
import { isLoopback } from '../domain/loopback.js'

/**
 * Checks before any password. A page of another site, open in the operator's browser, must not
 * trigger our actions (cross-site request forgery). It must not read our pages either, through a
 * name of its own that it resolves to 127.0.0.1 (DNS rebinding). Browsers send a remembered
 * password along with both.
 */

const SAFE_METHODS = ['GET', 'HEAD', 'OPTIONS']

/** `[::1]` and `::1` are the same host. */
export function bareHost(host: string): string {
  return host.replace(/^\[(.*)\]$/, '$1').toLowerCase()
}

function isChangingMethod(method: string): boolean {
  return !SAFE_METHODS.includes(method)
}

/** For a board that is bound to loopback: accepts only loopback's names in the Host header. */
export const hostCheck: MiddlewareHandler = async (c, next) => {
  const name = c.req.header('host')?.replace(/:\d+$/, '') ?? ''
  if (isLoopback(name)) return next()
  return refuse(
    c,
    'This board is bound to loopback and accepts only localhost as its host name. To reach it by another name, listen at another address (TRACKYARD_BOARD_HOST) and set TRACKYARD_BOARD_PASSWORD.',
  )
}

/** Requests that change something must come from our own page, or from no page at all (curl). */
export const csrf: MiddlewareHandler = async (c, next) => {
  if (!isChangingMethod(c.req.method) || fromOwnPage(c)) return next()
  return refuse(c, 'The request came from a page of another site.')
}

export const readOnly: MiddlewareHandler = async (c, next) => {
  if (!isChangingMethod(c.req.method)) return next()
  return refuse(c, 'This board is read-only (TRACKYARD_BOARD_READ_ONLY).')
}

/**
 * The browser sets Sec-Fetch-Site itself, but sends it only over https and to loopback. Otherwise
 * Origin must match our host.
 */
function fromOwnPage(c: Context): boolean {
  const site = c.req.header('sec-fetch-site')
  if (site !== undefined) return site === 'same-origin' || site === 'none'
  const origin = c.req.header('origin')
  if (origin === undefined) return true
  return URL.canParse(origin) && new URL(origin).host === c.req.header('host')?.toLowerCase()
}

/** In the form that Bull Board's page shows as a notice: a title and a message. */
function refuse(c: Context, message: string): Response {
  return c.json({ error: 'Refused', message }, 403)
}

import { Hono, type MiddlewareHandler } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { HTTPException } from 'hono/http-exception'
import { secureHeaders } from 'hono/secure-headers'
import { getPathNoStrict } from 'hono/utils/url'
import { isLoopback } from '../domain/loopback.js'
import { csrf, hostCheck, readOnly } from './access.js'
import type { BoardOptions } from './board-options.js'
import { bullBoard } from './bull-board.js'
import { renderMetrics } from './metrics.js'
import { pageRoutes } from './pages/routes.js'
import { requirePassword } from './password.js'
import { STYLES_HASH } from './report.js'
import { ANSWER_WITHIN_MS, logFailure, messageOf, openRedisReads } from './silence.js'

/**
 * The pages, in the order of the checks: host check → headers → the two probes, without a password
 * → password → CSRF → read-only → our pages, the metrics and Bull Board.
 */

const PAGES = '/queues'
/** Unfinished ones first. Named in docs/monitoring. */
const METRICS_BATCHES = { limit: 200, withheldAsWaiting: true }
/** No allowed action needs a body. */
const LARGEST_BODY = 64 * 1024

export function buildWeb(options: BoardOptions): Hono {
  const redisReads = openRedisReads()
  // hono ignores `getPath` when `strict` is false, so the path is made non-strict here.
  const web = new Hono({ getPath: (request) => withoutPrefix(getPathNoStrict(request), options.path) })

  web.onError((error, c) => {
    // The password check and the body limit refuse with this exception.
    if (error instanceof HTTPException) return error.getResponse()
    logFailure(options.log, error, c.req.path)
    return c.json({ error: 'Not answered', message: messageOf(error) }, 503)
  })

  if (isLoopback(options.host)) web.use(hostCheck)
  web.use(pageHeaders())
  web.get('/healthz', (c) => c.text('ok'))
  web.get('/readyz', async (c) => {
    const state = await redisReads(ANSWER_WITHIN_MS, options.ready).catch((error: unknown) => ({
      ok: false,
      reason: messageOf(error),
    }))
    return c.json(state, state.ok ? 200 : 503)
  })

  const { user, password } = options
  if (password !== null) web.use(requirePassword(user, password.reveal(), options.log))
  web.use(csrf)
  if (options.readOnly) web.use(readOnly)
  web.use(bodyLimit({ maxSize: LARGEST_BODY }))

  web.route('/', pageRoutes(options, redisReads))
  web.get('/metrics', async (c) => {
    const report = await redisReads(ANSWER_WITHIN_MS, () => options.report(METRICS_BATCHES))
    const { contentType, text } = await renderMetrics(
      report,
      await options.store.reports.callsByOutcome(),
      options.version,
    )
    return c.body(text, 200, { 'content-type': contentType })
  })
  web.route(PAGES, bullBoard(PAGES, options, redisReads))
  return web
}

/** A reverse proxy may forward the prefix or strip it. */
function withoutPrefix(path: string, prefix: string): string {
  if (prefix === '' || !(path === prefix || path.startsWith(`${prefix}/`))) return path
  return path.slice(prefix.length) || '/'
}

/** Our own pages have no inline script or style. Bull Board's styles are inline. */
function pageHeaders(): MiddlewareHandler {
  const shared = { baseUri: ["'none'"], formAction: ["'self'"], frameAncestors: ["'none'"] }
  const own = policy({
    ...shared,
    defaultSrc: ["'none'"],
    scriptSrc: ["'self'"],
    styleSrc: ["'self'"],
    imgSrc: ["'self'"],
    connectSrc: ["'self'"],
  })
  const bullBoards = policy({
    ...shared,
    defaultSrc: ["'self'"],
    styleSrc: ["'self'", "'unsafe-inline'"],
    imgSrc: ["'self'", 'data:'],
    fontSrc: ["'self'", 'data:'],
    objectSrc: ["'none'"],
    baseUri: ["'self'"],
  })
  // A report is one file: its style is inside, and it has no script.
  const report = policy({ ...shared, defaultSrc: ["'none'"], styleSrc: [STYLES_HASH] })
  return (c, next) => {
    const { path } = c.req
    if (path === PAGES || path.startsWith(`${PAGES}/`)) return bullBoards(c, next)
    return (/^\/batches\/\d+\/report$/.test(path) ? report : own)(c, next)
  }
}

function policy(contentSecurityPolicy: Readonly<Record<string, string[]>>): MiddlewareHandler {
  return secureHeaders({
    // Only an operator with a proxy in front knows whether the board is served over https.
    strictTransportSecurity: false,
    xFrameOptions: 'DENY',
    contentSecurityPolicy,
  })
}

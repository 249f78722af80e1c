import { resolve } from 'node:path'
import { createBullBoard } from '@bull-board/api'
import { HonoAdapter } from '@bull-board/hono'
import { serveStatic } from '@hono/node-server/serve-static'
import { Hono } from 'hono'
import { basicAuth } from 'hono/basic-auth'
import { bodyLimit } from 'hono/body-limit'
import { HTTPException } from 'hono/http-exception'
import { secureHeaders } from 'hono/secure-headers'
import { systemClock } from '../domain/clock.js'
import { DeadLetterAdapter, SearchAdapter } from './adapters.js'
import { refusalOf } from './allowed-actions.js'
import { nothingChanges, onlyLoopbackNames, onlyOwnPages } from './door.js'
import { openLiveSentence } from './live-sentence.js'
import { renderMetrics } from './metrics.js'
import type { BoardOptions } from './start-board.js'
import { messageOf, within } from './within.js'

/**
 * The pages, from the door inwards: whose name is used → headers → the two probes, open to everybody →
 * password → whose page asks → read-only → Bull Board and the metrics.
 *
 * Bull Board's page asks Google for fonts; the content policy lets nothing in from outside, and the page
 * falls back to the system's.
 */
const PAGES = '/queues'
/** A page that hangs because Redis is away says nothing; after this long it is told so. */
const PATIENCE_MS = 5_000
const LARGEST_BODY = 64 * 1024
const SILENT = 'Redis does not answer. Check that it runs; the page goes on by itself.'

export function buildWeb(
  options: BoardOptions,
  door: { readonly loopback: boolean; readonly credentials: { username: string; password: string } | null },
): Hono {
  const web = new Hono({ strict: false })
  const { log } = options

  web.onError((error, c) => {
    // How the password and the body limit say no.
    if (error instanceof HTTPException) return error.getResponse()
    log.error({ err: error, path: c.req.path }, 'the board could not answer')
    return c.json({ error: 'Not answered', message: messageOf(error) }, 503)
  })

  if (door.loopback) web.use(onlyLoopbackNames())
  web.use(pageHeaders())
  web.get('/healthz', (c) => c.text('ok'))
  web.get('/readyz', async (c) => {
    const state = await within(PATIENCE_MS, options.ready(), SILENT).catch((error: unknown) => ({
      ok: false,
      reason: messageOf(error),
    }))
    return c.json({ ok: state.ok, reason: state.reason }, state.ok ? 200 : 503)
  })

  if (door.credentials !== null) web.use(basicAuth({ ...door.credentials, realm: 'trackyard-batch' }))
  web.use(onlyOwnPages())
  if (options.readOnly) web.use(nothingChanges())
  web.use(bodyLimit({ maxSize: LARGEST_BODY }))

  web.get('/', (c) => c.redirect(PAGES))
  web.get('/metrics', async (c) => {
    const [report, totals] = await within(PATIENCE_MS, Promise.all([options.report(), options.metrics()]), SILENT)
    const { contentType, text } = await renderMetrics(report, totals, options.version)
    return c.body(text, 200, { 'content-type': contentType })
  })

  mountBullBoard(web, options)
  return web
}

function mountBullBoard(web: Hono, options: BoardOptions): void {
  const { queues, actions, readOnly } = options
  const sentence = openLiveSentence(options.report, systemClock)
  const serverAdapter = new HonoAdapter(serveFiles)
  serverAdapter.setBasePath(PAGES)

  createBullBoard({
    queues: [
      new SearchAdapter(queues.search, { actions, sentence, readOnly }),
      new DeadLetterAdapter(queues.deadLetters, { readOnly }),
    ],
    serverAdapter,
    options: {
      uiConfig: {
        boardTitle: 'Trackyard batch',
        hideDocsLink: true,
        miscLinks: [{ text: 'Metrics', url: '/metrics' }],
      },
      handlerHooks: {
        before: ({ method, route, request: { params } }) => {
          const action = {
            method,
            route,
            queueName: textOrNull(params.queueName),
            jobId: textOrNull(params.jobId),
            status: textOrNull(params.queueStatus),
          }
          const refusal = refusalOf(action, queues.search.name)
          return refusal === null ? { allow: true } : { allow: false, status: 403, message: refusal }
        },
      },
    },
  })

  web.use(`${PAGES}/api/*`, async (c, next) => {
    if (c.req.path === `${PAGES}/api/queues`) await sentence.refresh()
    await within(PATIENCE_MS, next(), SILENT)
  })
  web.route(PAGES, serverAdapter.registerPlugin())
}

/** The adapter names its folder relative to the working directory, which may change later. */
const serveFiles: typeof serveStatic = (files) => serveStatic({ ...files, root: resolve(files?.root ?? '') })

function pageHeaders() {
  return secureHeaders({
    // Whether the way here is https is the affair of whoever puts a proxy in front.
    strictTransportSecurity: false,
    xFrameOptions: 'DENY',
    contentSecurityPolicy: {
      defaultSrc: ["'self'"],
      styleSrc: ["'self'", "'unsafe-inline'"],
      imgSrc: ["'self'", 'data:'],
      fontSrc: ["'self'", 'data:'],
      objectSrc: ["'none'"],
      baseUri: ["'self'"],
      formAction: ["'self'"],
      frameAncestors: ["'none'"],
    },
  })
}

function textOrNull(value: unknown): string | null {
  return typeof value === 'string' ? value : null
}

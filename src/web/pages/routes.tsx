import { readFileSync } from 'node:fs'
import { Hono } from 'hono'
import { RefusedError, UsageError } from '../../domain/errors.js'
import type { BoardOptions } from '../board-options.js'
import { logFailure, messageOf, type RedisReads } from '../silence.js'
import { batchRoutes } from './batch-routes.js'
import { chartData, chartWindowOf, RANGES } from './chart-data.js'
import { deadLetterRoutes } from './dead-letter-routes.js'
import { Page, type PageContext, usePage } from './layout.js'
import { Overview } from './overview.js'
import { Prose } from './parts.js'
import { liveReport, page } from './respond.js'

/** Our own pages. They have no inline script or style, so the content security policy allows none. */

const SHOWN_ENTRIES = 12
const LONGEST_REASON = 200

const ASSETS = {
  'board.css': 'text/css; charset=utf-8',
  'board.js': 'text/javascript; charset=utf-8',
  'icon.svg': 'image/svg+xml',
} as const

export function pageRoutes(options: BoardOptions, redisReads: RedisReads): Hono {
  const web = new Hono()
  const { store } = options
  const frame = (deadLetters: number): PageContext => ({
    base: options.path,
    now: options.now(),
    readOnly: options.readOnly,
    isFile: false,
    deadLetters,
  })
  const context = async () => frame(await store.deadLetters.count({}))

  for (const [name, type] of Object.entries(ASSETS)) {
    const text = readFileSync(new URL(`../assets/${name}`, import.meta.url), 'utf8')
    web.get(`/assets/${name}`, (c) => c.body(text, 200, { 'content-type': type, 'cache-control': 'no-cache' }))
  }

  web.get('/', async (c) => {
    const range = RANGES.find((known) => known === c.req.query('range')) ?? 'hour'
    const view = await context()
    const window = chartWindowOf(range, view.now)
    const [found, activity, timeline, batchCount] = await Promise.all([
      liveReport(options, redisReads),
      store.activity.read({ ...window, now: view.now }),
      store.timeline.list(SHOWN_ENTRIES),
      store.reports.batchCount(),
    ])
    const data = { ...found, charts: chartData(activity, window), range, timeline, batchCount }
    return page(c, view, <Overview data={data} />)
  })

  web.post('/actions/pause', async (c) => {
    const { reason } = await c.req.parseBody()
    await options.actions.pause(reasonFrom(reason))
    return c.redirect(`${options.path}/`, 303)
  })
  web.post('/actions/resume', async (c) => {
    await options.actions.resume()
    return c.redirect(`${options.path}/`, 303)
  })
  web.route('/', deadLetterRoutes(options, context))
  web.route('/', batchRoutes(options, redisReads, context))
  web.onError((error, c) => {
    const status = statusOf(error)
    if (status === 503) logFailure(options.log, error, c.req.path)
    const title = status === 503 ? 'The board cannot answer' : 'That cannot be done'
    // The store may be what cannot answer.
    return page(c, frame(0), <Problem title={title} message={messageOf(error)} />, status)
  })
  return web
}

function statusOf(error: unknown): 400 | 404 | 409 | 503 {
  if (error instanceof UsageError) return error.code === 'no_such_batch' ? 404 : 400
  // The action is not possible in this state.
  return error instanceof RefusedError ? 409 : 503
}

function Problem({ title, message }: { readonly title: string; readonly message: string }) {
  return (
    <Page title={title}>
      <section class="panel confirm" aria-labelledby="problem">
        <h1 id="problem">{title}</h1>
        <p class="cause">
          <Prose text={message} />
        </p>
        <p>
          <a href={`${usePage().base}/`}>To the overview</a>
        </p>
      </section>
    </Page>
  )
}

/** One line; the status message shows it. */
function reasonFrom(value: unknown): string {
  const text = typeof value === 'string' ? value.replace(/[\p{Cc}\s]+/gu, ' ').trim() : ''
  return [...text].slice(0, LONGEST_REASON).join('')
}

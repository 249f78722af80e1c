import { resolve } from 'node:path'
import { createBullBoard } from '@bull-board/api'
import { HonoAdapter } from '@bull-board/hono'
import { serveStatic } from '@hono/node-server/serve-static'
import { Hono } from 'hono'
import { needsConfirmation } from '../batches/retry.js'
import { formatNumber, pluralize } from '../domain/format.js'
import { withTimeout } from '../domain/with-timeout.js'
import { DeadLetterAdapter, SearchAdapter } from './adapters.js'
import { isRetryAll, refusalOf } from './allowed-actions.js'
import type { BoardOptions } from './board-options.js'
import { openLiveMessage } from './live-message.js'
import { ANSWER_WITHIN_MS, REDIS_SILENT_MESSAGE, type RedisReads } from './silence.js'

/**
 * Sets up Bull Board for the two queues. Its hook runs before each of its handlers and checks
 * allowed-actions.ts. The page shows a refusal as a notice with our message.
 *
 * The page would load fonts from Google, but the content security policy blocks other sites. So it
 * is configured to use system fonts.
 */

const SYSTEM_FONTS = { 'font-sans': 'system-ui, sans-serif', 'font-mono': 'ui-monospace, monospace' }

const UI = {
  boardTitle: 'Trackyard batch',
  hideDocsLink: true,
  theme: { light: SYSTEM_FONTS, dark: SYSTEM_FONTS },
}

/** Mount it at `path`. A browser finds it at `options.path` plus `path`. */
export function bullBoard(path: string, options: BoardOptions, redisReads: RedisReads): Hono {
  const { queues, actions, readOnly, path: prefix } = options
  const message = openLiveMessage(options.report, redisReads)
  const serverAdapter = new HonoAdapter(serveFilesBelow(prefix)).setBasePath(prefix + path)

  createBullBoard({
    queues: [
      new SearchAdapter(queues.search, { actions, message, readOnly }),
      new DeadLetterAdapter(queues.deadLetters, { message, readOnly }),
    ],
    serverAdapter,
    options: {
      uiConfig: {
        ...UI,
        miscLinks: [
          { text: 'Overview', url: `${prefix}/` },
          { text: 'Metrics', url: `${prefix}/metrics` },
        ],
      },
      handlerHooks: {
        before: async ({ method, route, request: { params } }) => {
          const action = {
            method,
            route,
            queueName: textOrNull(params.queueName),
            jobId: textOrNull(params.jobId),
            status: textOrNull(params.queueStatus),
          }
          const refusal =
            refusalOf(action, queues.search.name) ?? (isRetryAll(action) ? await tooManyToRetry(options) : null)
          return refusal === null ? { allow: true } : { allow: false, status: 403, message: refusal }
        },
      },
    },
  })

  const board = new Hono({ strict: false })
  board.use('/api/*', async (c, next) => {
    if (c.req.method !== 'GET') return withTimeout(ANSWER_WITHIN_MS, next(), REDIS_SILENT_MESSAGE)
    await message.refresh()
    await redisReads(ANSWER_WITHIN_MS, next)
  })
  board.route('/', serverAdapter.registerPlugin())
  return board
}

/** Bull Board does not ask before it retries all. Our page does, with the price. */
async function tooManyToRetry({ store, confirmAbove, path }: BoardOptions): Promise<string | null> {
  const price = await store.deadLetters.price({})
  if (!needsConfirmation(price, confirmAbove)) return null
  const { searches, maybePaid } = price
  const why =
    searches > confirmAbove
      ? `more than TRACKYARD_CONFIRM_ABOVE (${formatNumber(confirmAbove)})`
      : `and ${formatNumber(maybePaid)} of them may be paid for already`
  return (
    `Retrying all ${pluralize(searches, 'dead letter')} may cost up to ${pluralize(searches, 'credit')}, ${why}. ` +
    `Retry them at ${path}/dead-letters, by cause, where the price is confirmed.`
  )
}

/**
 * Bull Board's adapter names its folder relative to the working directory, which may change later.
 * It also expects the paths that a browser sees.
 */
function serveFilesBelow(prefix: string): typeof serveStatic {
  return (files) =>
    serveStatic({
      ...files,
      root: resolve(files?.root ?? ''),
      rewriteRequestPath: (path, c) => files?.rewriteRequestPath?.(prefix + path, c) ?? path,
    })
}

function textOrNull(value: unknown): string | null {
  return typeof value === 'string' ? value : null
}

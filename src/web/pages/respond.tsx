import type { Context } from 'hono'
import type { Child } from 'hono/jsx'
import type { StatusReport } from '../../batches/status-report.js'
import { UnreachableError } from '../../domain/errors.js'
import type { WhichBatches } from '../../store/store.js'
import type { BoardOptions } from '../board-options.js'
import type { RedisReads } from '../silence.js'
import { type PageContext, PageProvider } from './layout.js'

/** A whole page. Never from a cache: it shows this moment. */
export function page(
  c: Context,
  context: PageContext,
  body: Child,
  status: 200 | 400 | 404 | 409 | 503 = 200,
): Response | Promise<Response> {
  return c.html(render(context, body), status, { 'cache-control': 'no-store' })
}

/** The text of an HTML document. */
export function render(context: PageContext, body: Child): string {
  return `<!doctype html>${String(<PageProvider value={context}>{body}</PageProvider>)}`
}

/** The page refreshes every two seconds. It must not wait longer for a Redis that is away. */
const REDIS_WITHIN_MS = 2_000

export interface LiveReport {
  readonly report: StatusReport
  /** The report is from the store alone. */
  readonly isRedisAway: boolean
}

/** With Redis away the page is still there: the store knows what is done, and says what is wrong. */
export async function liveReport(
  options: BoardOptions,
  redisReads: RedisReads,
  which: Partial<WhichBatches> = {},
): Promise<LiveReport> {
  try {
    return { report: await redisReads(REDIS_WITHIN_MS, () => options.report(which)), isRedisAway: false }
  } catch (error) {
    if (!(error instanceof UnreachableError)) throw error
    return { report: await options.report({ ...which, redisProblem: error.message }), isRedisAway: true }
  }
}

import type { Context } from 'hono'
import type { StatusReport } from '../../batches/status-report.js'
import { UnreachableError } from '../../domain/errors.js'
import type { BoardOptions } from '../board-options.js'
import type { RedisReads } from '../silence.js'

/** A whole page. Never from a cache: it shows this moment. */
export async function page(c: Context, body: unknown, status: 200 | 404 | 409 | 503 = 200): Promise<Response> {
  return c.html(`<!doctype html>${String(await body)}`, status, { 'cache-control': 'no-store' })
}

/** The page refreshes every two seconds. It must not wait longer for a Redis that is away. */
const REDIS_WITHIN_MS = 2_000

export interface LiveReport {
  readonly report: StatusReport
  /** The report is from the store alone. */
  readonly isRedisAway: boolean
}

/** With Redis away the page is still there: the store knows what is done, and says what is wrong. */
export async function liveReport(options: BoardOptions, redisReads: RedisReads, batchId?: number): Promise<LiveReport> {
  try {
    return { report: await redisReads(REDIS_WITHIN_MS, () => options.report({ batchId })), isRedisAway: false }
  } catch (error) {
    if (!(error instanceof UnreachableError)) throw error
    return { report: await options.report({ batchId, redisProblem: error.message }), isRedisAway: true }
  }
}

import type { StatusReport } from '../batches/status-report.js'
import { messageOf, type RedisReads } from './silence.js'

/**
 * The status message above the jobs: why they move or do not. Bull Board asks its adapters for a
 * description synchronously, on every poll of every open page, but the report behind it reads store
 * and Redis. So the message is fetched before the page asks, at most once a second for all pages,
 * and cached.
 */
export interface LiveMessage {
  /** As of the last `refresh`. */
  current(): string
  /** Resolves when the message is at most a second old, or could not be fetched. Never rejects. */
  refresh(): Promise<void>
}

const FRESH_MS = 1_000
const PATIENCE_MS = 3_000

export function openLiveMessage(report: () => Promise<StatusReport>, redisReads: RedisReads): LiveMessage {
  let message = ''
  let askedAtMs = Number.NEGATIVE_INFINITY
  let asking: Promise<void> | null = null

  async function ask(): Promise<void> {
    try {
      const { queue } = await redisReads(PATIENCE_MS, report)
      message = queue.reason
    } catch (error) {
      message = `The state is currently unknown: ${messageOf(error)}`
    }
    askedAtMs = performance.now()
  }

  return {
    current: () => message,
    refresh: async () => {
      if (performance.now() - askedAtMs < FRESH_MS) return
      asking ??= ask().finally(() => {
        asking = null
      })
      await asking
    },
  }
}

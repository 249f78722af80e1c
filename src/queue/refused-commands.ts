import type { Logger } from '../domain/logger.js'
import type { RedisClient } from './redis-client.js'
import { RedisFailure, type RedisFailureKind, toQueueError } from './redis-error.js'

export interface RefusedCommands {
  /** False: the error is not a refusal, and nothing was logged. */
  report(error: unknown): boolean
  /** Commands have met damaged values for longer than dropping single jobs takes. */
  damaged(): boolean
  forgetDamage(): void
  end(): void
}

const CHECK_EVERY_MS = 1000
/** Longer than a worker's longest wait between two tries (see running-worker.ts). */
const QUIET_MS = 3000

/** Leaves time to drop single jobs (see unreadable-jobs.ts), which happens every five seconds. */
const DAMAGE_LASTS_MS = 20_000
const DAMAGE_ENDS_AFTER_MS = 10_000

/** An absence has its own two lines in the log. */
const OUTAGES: readonly RedisFailureKind[] = ['redis.unreachable', 'redis.protocol_error']

/**
 * Logs the refusals of a Redis that answers but refuses commands: read-only after a failover, full, without disk
 * space. Every caller reports its errors here, so that the log has one line per kind and minute, and one more at
 * the end. A test write looks for the end. It can succeed too early (the Redis user may write this key only), so
 * the end is logged only after some seconds without a refusal.
 */
export function openRefusedCommands(parts: {
  readonly redis: Pick<RedisClient, 'set'>
  readonly where: string
  /** A key that may be written. */
  readonly probeKey: string
  readonly log: Logger
}): RefusedCommands {
  const { redis, where, probeKey, log } = parts
  let began: number | null = null
  let lastAt = 0
  let refused = 0
  let timer: NodeJS.Timeout | undefined
  let damage: { readonly firstAt: number; lastAt: number } | null = null

  function checkLater(): void {
    timer = setTimeout(() => void check(), CHECK_EVERY_MS)
    timer.unref()
  }

  async function check(): Promise<void> {
    const writes = await redis.set(probeKey, '1', 'PX', 1000).then(
      () => true,
      () => false,
    )
    if (began === null) return
    if (!writes || performance.now() - lastAt < QUIET_MS) return checkLater()
    const seconds = Math.round((performance.now() - began) / 1000)
    log.warn(
      { event: 'redis.writes_resumed', redis: where, seconds, refused, repeats: true },
      'Redis accepts writes again',
    )
    began = null
    refused = 0
  }

  function isRecent({ lastAt }: { readonly lastAt: number }): boolean {
    return performance.now() - lastAt < DAMAGE_ENDS_AFTER_MS
  }

  function noteDamage(): void {
    const now = performance.now()
    if (damage !== null && isRecent(damage)) damage.lastAt = now
    else damage = { firstAt: now, lastAt: now }
  }

  return {
    report: (error) => {
      const failure = toQueueError(error, where)
      if (!(failure instanceof RedisFailure) || OUTAGES.includes(failure.kind)) return false
      log.warn({ event: failure.kind, redis: where, repeats: true }, failure.message)
      if (failure.kind === 'redis.damaged') {
        noteDamage()
        return true
      }
      refused += 1
      lastAt = performance.now()
      if (began === null) {
        began = lastAt
        checkLater()
      }
      return true
    },
    damaged: () => damage !== null && isRecent(damage) && damage.lastAt - damage.firstAt > DAMAGE_LASTS_MS,
    forgetDamage: () => {
      damage = null
    },
    end: () => {
      began = null
      clearTimeout(timer)
    },
  }
}

import type { Redis } from 'ioredis'
import type { Logger } from '../domain/logger.js'
import { RedisTroubleError, type TroubleKind, toQueueError } from './redis-error.js'

/**
 * A Redis that answers, but with refusals: read-only after a failover, full, without disk space. Whoever
 * meets one reports it here, so that people read one sentence per kind and minute, and one more when
 * it is over. That is tried with a write of our own; what was heard in the last seconds says more than it
 * does (a user may be allowed to write this key only), so the end is only said after some quiet.
 */
export interface Refusals {
  /** False for an error that is no refusal: nothing was logged. */
  report(error: unknown): boolean
  /** Commands have met damaged values for so long that no repair of single jobs has helped. */
  damaged(): boolean
  forgetDamage(): void
  end(): void
}

const LOOK_EVERY_MS = 1000
/** Longer than the longest rest of a worker between two tries (see patient-worker.ts). */
const QUIET_MS = 3000

/** Long enough for single jobs to be dropped (see unreadable-jobs.ts), which is done every five seconds. */
const DAMAGE_LASTS_MS = 20_000
const DAMAGE_IS_OVER_AFTER_MS = 10_000

/** An absence has its own two lines in the log. */
const NO_ANSWERS: readonly TroubleKind[] = ['redis.unreachable', 'redis.protocol_error']

export function openRefusals(parts: {
  readonly redis: Pick<Redis, 'set'>
  readonly where: string
  /** A key that may be written. */
  readonly probeKey: string
  readonly log: Logger
}): Refusals {
  const { redis, where, probeKey, log } = parts
  let began: number | null = null
  let lastAt = 0
  let refused = 0
  let timer: NodeJS.Timeout | undefined
  let damage: { readonly firstAt: number; lastAt: number } | null = null

  function lookLater(): void {
    timer = setTimeout(() => void look(), LOOK_EVERY_MS)
    timer.unref()
  }

  async function look(): Promise<void> {
    const writes = await redis.set(probeKey, '1', 'PX', 1000).then(
      () => true,
      () => false,
    )
    if (began === null) return
    if (!writes || performance.now() - lastAt < QUIET_MS) return lookLater()
    const seconds = Math.round((performance.now() - began) / 1000)
    log.warn(
      { event: 'redis.writes_resumed', redis: where, seconds, refused, repeats: true },
      'Redis takes writes again',
    )
    began = null
    refused = 0
  }

  function isRecent({ lastAt }: { readonly lastAt: number }): boolean {
    return performance.now() - lastAt < DAMAGE_IS_OVER_AFTER_MS
  }

  function noteDamage(): void {
    const now = performance.now()
    if (damage !== null && isRecent(damage)) damage.lastAt = now
    else damage = { firstAt: now, lastAt: now }
  }

  return {
    report: (error) => {
      const trouble = toQueueError(error, where)
      if (!(trouble instanceof RedisTroubleError) || NO_ANSWERS.includes(trouble.kind)) return false
      log.warn({ event: trouble.kind, redis: where, repeats: true }, trouble.message)
      if (trouble.kind === 'redis.damaged') {
        noteDamage()
        return true
      }
      refused += 1
      lastAt = performance.now()
      if (began === null) {
        began = lastAt
        lookLater()
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

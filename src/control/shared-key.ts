import type { Clock } from '../domain/clock.js'
import type { ResponseFacts } from '../domain/outcome.js'
import type { Store } from '../store/store.js'

export interface SharedKeyDetector {
  /** Called after every response; cheap. */
  heard(facts: Pick<ResponseFacts, 'limitPerMinute' | 'remainingThisMinute'>): void
  /** Calls a minute that other clients made in about the last minute; 0: none were seen. */
  others(): Promise<number>
}

const MINUTE_MS = 60_000
/** A difference of so few calls, or so small a share of the limit, may be a counting error. */
const FEW_CALLS = 3
const FEW_OF_LIMIT = 0.04

/**
 * Detects other clients of the same key from X-RateLimit-Remaining. The limit minus our own calls of the
 * last minute should remain; what is missing, other clients have used. Workers slow down to leave them room.
 *
 * Workers that have the key to themselves are never slowed, however the API counts its minute. In a
 * sliding window, our calls and the remaining ones add up to the limit; in a fixed window or a token
 * bucket, to more. A difference of a few calls (GET /me, clocks, latency) is ignored.
 *
 * A token bucket shows other clients only when it is empty. Until then, and whenever this estimate is
 * wrong, a 429 stops all workers for a while.
 */
export function openSharedKeyDetector(parts: {
  readonly store: Pick<Store, 'calls'>
  readonly clock: Clock
}): SharedKeyDetector {
  let last: { readonly at: number; readonly limit: number; readonly remaining: number } | null = null
  let seen: { readonly at: number; readonly calls: number }[] = []

  async function estimate(heard: NonNullable<typeof last>): Promise<void> {
    const ours = await parts.store.calls.sentBetween(heard.at - MINUTE_MS, heard.at)
    const calls = heard.limit - heard.remaining - ours
    if (calls > Math.max(FEW_CALLS, heard.limit * FEW_OF_LIMIT)) seen.push({ at: heard.at, calls })
  }

  return {
    heard({ limitPerMinute, remainingThisMinute }) {
      if (limitPerMinute === null || remainingThisMinute === null) return
      last = { at: parts.clock.now(), limit: limitPerMinute, remaining: remainingThisMinute }
    },
    async others() {
      const heard = last
      last = null
      if (heard !== null) await estimate(heard)
      const now = parts.clock.now()
      // None from the future: the clock was set back, and what it showed before was wrong.
      seen = seen.filter(({ at }) => at > now - MINUTE_MS && at <= now)
      // A fixed window shows all of their calls only at its end, so the highest estimate counts.
      return Math.max(0, ...seen.map(({ calls }) => calls))
    },
  }
}

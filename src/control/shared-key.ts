import type { Clock } from '../domain/clock.js'
import type { ResponseFacts } from '../domain/outcome.js'
import type { Store } from '../store/store.js'

/**
 * Another program on the same key shows in X-RateLimit-Remaining: what the limit leaves after our own calls
 * of the last minute should still be there; what is missing, others have used. Their share is left to them.
 *
 * This never slows a fleet that has the key to itself, however the API counts its minute: in a sliding
 * window our calls and what remains add up to the limit, in a fixed window or a bucket that refills to more. A few
 * calls of difference (GET /me, clocks, latency) are not counted as somebody.
 *
 * A bucket shows others only when it is empty; until then, and whenever this guess is wrong, a 429 holds the fleet.
 */
export interface SharedKey {
  /** After every response; cheap. */
  heard(facts: Pick<ResponseFacts, 'limitPerMinute' | 'remainingThisMinute'>): void
  /** Calls a minute that others were seen to make in the last minute or so; 0: the key is ours alone. */
  others(): Promise<number>
}

const MINUTE_MS = 60_000
/** So few, or so small a share of the limit, may be a matter of counting. */
const FEW_CALLS = 3
const FEW_OF_LIMIT = 0.04

export function openSharedKey(parts: { readonly store: Pick<Store, 'calls'>; readonly clock: Clock }): SharedKey {
  let last: { readonly at: number; readonly limit: number; readonly remaining: number } | null = null
  let seen: { readonly at: number; readonly calls: number }[] = []

  async function lookAt(heard: NonNullable<typeof last>): Promise<void> {
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
      if (heard !== null) await lookAt(heard)
      seen = seen.filter(({ at }) => at > parts.clock.now() - MINUTE_MS)
      // A fixed window shows all of them only at its end.
      return Math.max(0, ...seen.map(({ calls }) => calls))
    },
  }
}

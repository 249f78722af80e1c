import type { LimitKind } from './options.js'

/**
 * A limit on requests, counted in one of the three usual ways. A refused request does not count.
 * Instants are monotonic milliseconds, passed as arguments.
 */
export interface Limiter {
  /** Counts one request. 0: it is allowed; otherwise milliseconds until the next is. */
  take(nowMs: number): number
  /** How many more are allowed now. */
  remaining(nowMs: number): number
  /** Null lifts the limit. Requests so far stay counted. */
  setLimit(limit: number | null): void
  limit(): number | null
}

export function createLimiter(kind: LimitKind, limit: number | null, windowMs: number, startMs: number): Limiter {
  let current = limit
  const counter = counters[kind](windowMs, startMs)
  return {
    take: (nowMs) => (current === null ? 0 : counter.take(nowMs, current)),
    remaining: (nowMs) => (current === null ? Number.POSITIVE_INFINITY : counter.remaining(nowMs, current)),
    setLimit: (next) => {
      current = next
    },
    limit: () => current,
  }
}

interface Counter {
  take(nowMs: number, limit: number): number
  remaining(nowMs: number, limit: number): number
}

const counters: Readonly<Record<LimitKind, (windowMs: number, startMs: number) => Counter>> = {
  fixed: fixedWindow,
  sliding: slidingWindow,
  token: tokenBucket,
}

/** Consecutive windows from the start. Around a border, a client can make twice the limit in a short time. */
function fixedWindow(windowMs: number, startMs: number): Counter {
  let window = 0
  let used = 0
  const turn = (nowMs: number) => {
    const index = Math.floor((nowMs - startMs) / windowMs)
    if (index !== window) {
      window = index
      used = 0
    }
  }
  return {
    take(nowMs, limit) {
      turn(nowMs)
      if (used >= limit) return startMs + (window + 1) * windowMs - nowMs
      used += 1
      return 0
    },
    remaining(nowMs, limit) {
      turn(nowMs)
      return Math.max(0, limit - used)
    },
  }
}

/** No interval of one window's length ever has more requests than the limit: the strictest of the three. */
function slidingWindow(windowMs: number): Counter {
  let passed: number[] = []
  let oldest = 0
  const forget = (nowMs: number) => {
    while ((passed[oldest] ?? Number.POSITIVE_INFINITY) <= nowMs - windowMs) oldest += 1
    if (oldest > 1000 && oldest * 2 > passed.length) {
      passed = passed.slice(oldest)
      oldest = 0
    }
  }
  return {
    take(nowMs, limit) {
      forget(nowMs)
      const count = passed.length - oldest
      if (count < limit) {
        passed.push(nowMs)
        return 0
      }
      // After the limit was lowered, more than one request must expire first.
      const blocking = passed[oldest + count - Math.max(1, limit)] ?? nowMs
      return Math.max(1, blocking + windowMs - nowMs)
    },
    remaining(nowMs, limit) {
      forget(nowMs)
      return Math.max(0, limit - (passed.length - oldest))
    },
  }
}

/** Starts full, refills evenly: a burst of the whole limit, then one request every window / limit. */
function tokenBucket(windowMs: number, startMs: number): Counter {
  let spent = 0
  let countedAt = startMs
  const refill = (nowMs: number, limit: number) => {
    spent = Math.max(0, spent - ((nowMs - countedAt) * limit) / windowMs)
    countedAt = nowMs
  }
  return {
    take(nowMs, limit) {
      refill(nowMs, limit)
      if (spent + 1 <= limit) {
        spent += 1
        return 0
      }
      return limit === 0 ? windowMs : Math.max(1, ((spent + 1 - limit) * windowMs) / limit)
    },
    remaining(nowMs, limit) {
      refill(nowMs, limit)
      return Math.max(0, Math.floor(limit - spent))
    },
  }
}

import { createLimiter, type Limiter } from './limiter.js'
import type { SimulatorOptions } from './options.js'

export type Account = ReturnType<typeof createAccount>

/** GET /me, 200. The API document has no null but in `requests_per_day` and `last_used_at`. */
interface Me {
  tier: string | null
  credits_remaining: number
  monthly_allowance: number | null
  rate_limit: { requests_per_minute: number | null; requests_per_day: number | null } | null
  created_at: string
  last_used_at: string | null
}

interface UsageEntry {
  readonly at: number
  readonly endpoint: string
  readonly status: number
  readonly credits: 0 | 1
  readonly durationMs: number
}

/**
 * The account of all keys: its balance, its limits, its history. Other programs may use it at the same time;
 * a client can see that only in the headers and the balance.
 */
export function createAccount(options: SimulatorOptions, startMs: number) {
  const keyIds = new Map(options.keys.map((key, index) => [`Bearer ${key}`, `key-${index + 1}`]))
  const minute = createLimiter(options.limitKind, options.perMinute, options.minuteMs, startMs)
  const day = createLimiter('fixed', options.perDay, options.dayMs, startMs)
  const createdAt = new Date().toISOString()
  const history: UsageEntry[] = []
  let credits = options.credits
  let revoked = false

  /** Counts one request against both limits. 0: it is allowed. */
  const admit = (nowMs: number): { readonly waitMs: number; readonly limit: 'minute' | 'day' | null } => {
    // The day is checked first without counting: a request that the minute refuses must not count against it.
    if (day.remaining(nowMs) < 1) return { waitMs: day.take(nowMs), limit: 'day' }
    const waitMs = minute.take(nowMs)
    if (waitMs > 0) return { waitMs, limit: 'minute' }
    day.take(nowMs)
    return { waitMs: 0, limit: null }
  }

  return {
    /** The name of the key in an Authorization header; null: it is unknown. */
    keyIdOf: (authorization: string | undefined): string | null =>
      revoked ? null : (keyIds.get(authorization ?? '') ?? null),
    revokeKey(): void {
      revoked = true
    },
    restoreKey(): void {
      revoked = false
    },
    admit,
    credits: () => credits,
    setCredits(next: number): void {
      credits = next
    },
    /** Takes one credit; false when there is none. */
    charge(): boolean {
      if (credits < 1) return false
      credits -= 1
      return true
    },
    setLimit: (perMinute: number | null): void => minute.setLimit(perMinute),
    /** Makes this many requests as another client of the key, as far as limits and credits allow. @returns how many passed. */
    useElsewhere(requests: number, nowMs: number): number {
      let passed = 0
      while (passed < requests && credits > 0 && admit(nowMs).limit === null) {
        credits -= 1
        passed += 1
        history.push({ at: Date.now(), endpoint: '/search', status: 200, credits: 1, durationMs: 0 })
      }
      return passed
    },
    used: (entry: UsageEntry): void => void history.push(entry),
    /** Null if `accountDetails` is false. */
    me: (): Me => ({
      tier: options.accountDetails ? options.tier : null,
      credits_remaining: credits,
      monthly_allowance: options.accountDetails ? options.credits : null,
      rate_limit: options.accountDetails
        ? { requests_per_minute: minute.limit(), requests_per_day: day.limit() }
        : null,
      created_at: createdAt,
      last_used_at: isoOrNull(history.at(-1)?.at),
    }),
    /** Newest first. */
    usage(limit: number, offset: number) {
      const end = Math.max(0, history.length - offset)
      const page = history.slice(Math.max(0, end - limit), end).reverse()
      return { usage: page.map(wireUsage), total_count: history.length, offset, limit }
    },
    /** X-RateLimit-… and X-Credits-Remaining. */
    headers: (nowMs: number): Record<string, string> => ({
      ...limitHeaders('', minute, nowMs),
      ...limitHeaders('-daily', day, nowMs),
      'x-credits-remaining': String(credits),
    }),
  }
}

function limitHeaders(suffix: string, limiter: Limiter, nowMs: number): Record<string, string> {
  const limit = limiter.limit()
  if (limit === null) return {}
  return {
    [`x-ratelimit-limit${suffix}`]: String(limit),
    [`x-ratelimit-remaining${suffix}`]: String(limiter.remaining(nowMs)),
  }
}

/** API document, GET /usage. */
function wireUsage(entry: UsageEntry): object {
  return {
    timestamp: new Date(entry.at).toISOString(),
    endpoint: entry.endpoint,
    status_code: entry.status,
    credits_consumed: entry.credits,
    response_time_ms: entry.durationMs,
  }
}

function isoOrNull(at: number | undefined): string | null {
  return at === undefined ? null : new Date(at).toISOString()
}

import type { FaultRule } from './faults.js'

/**
 * What the simulated account and its server are like. Every field is plain JSON (a `match` may be
 * written '/…/i' instead of a RegExp), so the same options serve a test in this process and a
 * simulator in a process of its own. Defaults are the API document's, or the kindest reading of it.
 */
export interface SimulatorOptions {
  readonly host: string
  /** 0: any free port. */
  readonly port: number
  /** Bearer keys of the one account that is simulated. In the log they are `key-1`, `key-2`, … */
  readonly keys: readonly string[]
  readonly tier: Tier
  /** Balance at the start. Default: the tier's. */
  readonly credits: number
  /**
   * Null: no limit, and no figure in headers or /me either, so a client that learns its pace from them
   * learns nothing; give a large number where it should run freely. Default: the tier's.
   */
  readonly perMinute: number | null
  /** How the minute is counted; the API does not say, so a client must live with all three. */
  readonly limitKind: LimitKind
  /** How long a "minute" is, so that tests need not wait for one. */
  readonly minuteMs: number
  /** Null: no limit. Default: the tier's. */
  readonly perDay: number | null
  readonly dayMs: number
  /** Whether GET /me and GET /usage count against the limits too. */
  readonly limitCoversAccount: boolean
  /** Time from request to answer, or a range to draw it from. */
  readonly latencyMs: number | readonly [min: number, max: number]
  /** Everything that looks like chance follows from this and from the request, not from the order of arrival. */
  readonly seed: number
  /**
   * - `on success`: as documented; a 200 costs a credit, even one that never arrives whole.
   * - `once started`: the worst reading; a request that hangs or is cut off cost one too.
   */
  readonly chargeRule: 'on success' | 'once started'
  /** What the Retry-After of a 429 looks like. */
  readonly retryAfter: RetryAfterStyle
  /** X-RateLimit-… and X-Credits-Remaining on every response. */
  readonly headers: boolean
  /** Where a 5xx carries its request id; the API does not say. */
  readonly requestIdIn: 'body' | 'header' | 'both' | 'none'
  /** Error texts repeat the Authorization header: what a careless server would do to a secret. */
  readonly echoKey: boolean
  /** GET /me tells the tier and the limits; false leaves them null. */
  readonly accountDetails: boolean
  /** Share of requests that match no track. */
  readonly noMatchRate: number
  /** Fewer tracks than were asked for, where bytes matter more than tags. */
  readonly tracksPerAnswer: number
  /** Asked in order; the first that applies decides. More can be added while it runs. */
  readonly faults: readonly FaultRule[]
}

type Tier = 'free' | 'starter' | 'pro'
export const LIMIT_KINDS = ['fixed', 'sliding', 'token'] as const
export type LimitKind = (typeof LIMIT_KINDS)[number]
const RETRY_AFTER_STYLES = ['seconds', 'date', 'missing', 'zero', 'negative', 'absurd', 'nonsense', 'empty'] as const
export type RetryAfterStyle = (typeof RETRY_AFTER_STYLES)[number]

/** API document, "Limits, per API key". The starter's day is only said to be "higher" than 50. */
const TIERS: Readonly<Record<Tier, { credits: number; perMinute: number; perDay: number | null }>> = {
  free: { credits: 50, perMinute: 5, perDay: 50 },
  starter: { credits: 300, perMinute: 10, perDay: 1000 },
  pro: { credits: 50_000, perMinute: 300, perDay: null },
}

export const SIMULATOR_KEY = 'sim-key-5f1d2c7a90b34e68'

/** @throws RangeError for a value outside its list, and for a name that is no option: they may come from a file. */
export function completeOptions(given: Partial<SimulatorOptions>): SimulatorOptions {
  const tier = oneOf('tier', given.tier ?? 'pro', ['free', 'starter', 'pro'])
  oneOf('limitKind', given.limitKind ?? 'fixed', LIMIT_KINDS)
  oneOf('retryAfter', given.retryAfter ?? 'seconds', RETRY_AFTER_STYLES)
  oneOf('chargeRule', given.chargeRule ?? 'on success', ['on success', 'once started'])
  const defaults: SimulatorOptions = {
    host: '127.0.0.1',
    port: 0,
    keys: [SIMULATOR_KEY],
    tier,
    ...TIERS[tier],
    limitKind: 'fixed',
    minuteMs: 60_000,
    dayMs: 24 * 60 * 60 * 1000,
    limitCoversAccount: false,
    latencyMs: 0,
    seed: 1,
    chargeRule: 'on success',
    retryAfter: 'seconds',
    headers: true,
    requestIdIn: 'body',
    echoKey: false,
    accountDetails: true,
    noMatchRate: 0.03,
    tracksPerAnswer: 100,
    faults: [],
  }
  const unknown = Object.keys(given).filter((name) => !(name in defaults))
  if (unknown.length > 0) {
    throw new RangeError(
      `no such simulator option: ${unknown.join(', ')}; there are ${Object.keys(defaults).join(', ')}`,
    )
  }
  return { ...defaults, ...withoutUndefined(given) }
}

function oneOf<T extends string>(name: string, value: T, allowed: readonly T[]): T {
  if (allowed.includes(value)) return value
  throw new RangeError(`simulator option ${name}: expected one of ${allowed.join(', ')}; got ${String(value)}`)
}

function withoutUndefined(given: Partial<SimulatorOptions>): Partial<SimulatorOptions> {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
}

import type { FaultRule } from './faults.js'

/**
 * Options of the simulated account and its server. Every field is plain JSON (a `match` may be '/…/i' instead
 * of a RegExp), so the same options work for a test in this process and for a simulator in another one.
 * Defaults follow the API document; where it is silent, they are the easiest for a client.
 */
export interface SimulatorOptions {
  /** 0: any free port. */
  readonly port: number
  /** Bearer keys of the simulated account. In the log they are `key-1`, `key-2`, … */
  readonly keys: readonly string[]
  readonly tier: Tier
  /** Balance at the start. Default: the tier's. */
  readonly credits: number
  /**
   * Null: no limit, and none in headers or /me, so a client cannot learn one there. For a client that should
   * run at full speed, set a large number instead. Default: the tier's.
   */
  readonly perMinute: number | null
  /** How the minute is counted. The API does not say, so a client must work with all three. */
  readonly limitKind: LimitKind
  /** The length of a "minute", so that tests need not wait for a real one. */
  readonly minuteMs: number
  /** Null: no limit. Default: the tier's. */
  readonly perDay: number | null
  readonly dayMs: number
  /** Time from request to answer, or a range to draw it from. */
  readonly latencyMs: number | readonly [min: number, max: number]
  /** All random choices depend on this and on the request, not on the order of arrival. */
  readonly seed: number
  /**
   * - `on success`: as documented; a 200 costs a credit, even if it never arrives completely.
   * - `once started`: the worst case; a request that hangs or is cut off costs one too.
   */
  readonly chargeRule: 'on success' | 'once started'
  /** X-RateLimit-… and X-Credits-Remaining on every response. */
  readonly headers: boolean
  /** Error texts repeat the Authorization header, as those of a careless server would. */
  readonly echoKey: boolean
  /** GET /me returns the tier and the limits; false: they are null. */
  readonly accountDetails: boolean
  /** Share of requests that match no track. */
  readonly noMatchRate: number
  /** The most tracks in an answer, for runs with many answers. */
  readonly tracksPerAnswer: number
  /** Tried in order; the first that applies is used. More can be added while it runs. */
  readonly faults: readonly FaultRule[]
}

type Tier = 'free' | 'starter' | 'pro'
export const LIMIT_KINDS = ['fixed', 'sliding', 'token'] as const
export type LimitKind = (typeof LIMIT_KINDS)[number]

/** API document, "Limits, per API key". It says only that the starter tier's daily limit is "higher" than 50. */
const TIERS: Readonly<Record<Tier, { credits: number; perMinute: number; perDay: number | null }>> = {
  free: { credits: 50, perMinute: 5, perDay: 50 },
  starter: { credits: 300, perMinute: 10, perDay: 1000 },
  pro: { credits: 50_000, perMinute: 300, perDay: null },
}

export const SIMULATOR_KEY = 'sim-key-5f1d2c7a90b34e68'

/** Options may come from a file. @throws RangeError for an invalid value or an unknown option */
export function completeOptions(given: Partial<SimulatorOptions>): SimulatorOptions {
  const tier = oneOf('tier', given.tier ?? 'pro', ['free', 'starter', 'pro'])
  oneOf('limitKind', given.limitKind ?? 'fixed', LIMIT_KINDS)
  oneOf('chargeRule', given.chargeRule ?? 'on success', ['on success', 'once started'])
  const defaults: SimulatorOptions = {
    port: 0,
    keys: [SIMULATOR_KEY],
    tier,
    ...TIERS[tier],
    limitKind: 'fixed',
    minuteMs: 60_000,
    dayMs: 24 * 60 * 60 * 1000,
    latencyMs: 0,
    seed: 1,
    chargeRule: 'on success',
    headers: true,
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
  throw new RangeError(`simulator option ${name}: expected one of ${allowed.join(', ')}, found ${String(value)}`)
}

function withoutUndefined(given: Partial<SimulatorOptions>): Partial<SimulatorOptions> {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
}

import type { Outcome, Refusal } from './outcome.js'

/**
 * A 429 normally concerns the whole key, and a 402 the whole account. But an API may answer a single search
 * that way again and again while the others succeed. These rules tell the two cases apart, so that no
 * search blocks the rest, and no rate limit or empty account causes a dead letter.
 */

/** What the ledger knows when a search is refused. The call that has just ended is not counted. */
export interface RefusalHistory {
  /** Calls of this search that were rate limited, since it was submitted or last retried. */
  readonly rateLimits: number
  /** Calls of this search answered 402 while GET /me showed credits, since then. */
  readonly refusals: number
  /** Other searches called since its first refusal: answered, and never rate limited meanwhile. */
  readonly othersAnswered: number
  /** The same: rate limited at least once. */
  readonly othersLimited: number
  /** No other search is waiting. */
  readonly isAlone: boolean
}

export const NEVER_REFUSED: RefusalHistory = {
  rateLimits: 0,
  refusals: 0,
  othersAnswered: 0,
  othersLimited: 0,
  isAlone: false,
}

/** It must be this unlikely (one in …) that a limit of the key has hit one search so often in a row. */
const ONE_IN = 1_000_000_000
const FEWEST_RATE_LIMITS = 4
/** This many extra searches count as limited: with little evidence, more refusals are required. */
const PRIOR = 3
/** With no other search to compare with. At this count, the search was tried for more than an hour. */
const RATE_LIMITS_UNCOMPARED = 20
const REFUSALS = 5
const REFUSALS_UNCOMPARED = 10

/** More of the other searches were answered than limited, so it is no limit of the key, and they need not wait. */
export function isLimitedAlone({ rateLimits, othersAnswered, othersLimited }: RefusalHistory): boolean {
  return rateLimits > 0 && othersAnswered > othersLimited
}

/**
 * The number of rate limits that makes a search a dead letter. A limit of the key hits all searches alike,
 * so the share of the others that were limited tells how likely so many in a row are. Infinity: all the
 * evidence fits a limit of the key.
 */
export function mostRateLimits(history: RefusalHistory, isAccountGood = false): number {
  const { othersAnswered, othersLimited } = history
  if (othersAnswered === 0)
    return isAccountGood && isUncompared(history) ? RATE_LIMITS_UNCOMPARED : Number.POSITIVE_INFINITY
  const share = (othersLimited + PRIOR) / (othersAnswered + othersLimited + PRIOR)
  return Math.max(FEWEST_RATE_LIMITS, Math.ceil(Math.log(ONE_IN) / -Math.log(share)))
}

/** No other search waits, and none was called since the first refusal. Only GET /me is left to compare with. */
export function isUncompared({ isAlone, othersAnswered, othersLimited }: RefusalHistory): boolean {
  return isAlone && othersAnswered + othersLimited === 0
}

/** One more rate limit would make it a dead letter if the account is good, so GET /me must be called first. */
export function isLastRateLimit(history: RefusalHistory): boolean {
  return isUncompared(history) && history.rateLimits + 1 >= RATE_LIMITS_UNCOMPARED
}

/** The number of 402s, each while GET /me showed credits, that makes a search a dead letter. */
export function mostRefusals({ othersAnswered }: RefusalHistory): number {
  return othersAnswered > 0 ? REFUSALS : REFUSALS_UNCOMPARED
}

/** 'HTTP 402: "Out of credits: Please top up"' */
export function refusalInWords(refusal: Pick<Refusal, 'status' | 'error' | 'message'>): string {
  const said = wordsOf(refusal)
  return said === null ? `HTTP ${refusal.status}` : `HTTP ${refusal.status}: "${said}"`
}

/** What the ledger keeps besides the status: one short sentence; null where the status is enough. */
export function ledgerDetail(outcome: Outcome): string | null {
  switch (outcome.kind) {
    case 'answered':
      return `${outcome.tracks} tracks`
    case 'unreadable':
      return outcome.problem
    case 'rate_limited':
      return refusalDetail(outcome.refusal, retryAfterInWords(outcome.retryAfterMs))
    case 'out_of_credits':
    case 'unauthorized':
    case 'refused':
      return refusalDetail(outcome.refusal)
    case 'transient':
      return outcome.reason
    default:
      return outcome satisfies never
  }
}

function refusalDetail({ error, code, message }: Refusal, waits: string | null = null): string {
  return [error, code, message, waits].filter((text) => text !== null).join(' · ')
}

/** The Retry-After of a rate limit, for the ledger. */
function retryAfterInWords(ms: number | null): string {
  return ms === null ? 'no readable Retry-After' : `Retry-After ${Math.ceil(ms / 1000)} s`
}

/** The API's words from the ledger's text, without our note on the Retry-After. */
export function wordsInDetail(detail: string): string {
  return detail.replace(/(^| · )(Retry-After \d+ s|no readable Retry-After)$/, '')
}

/** The API's error and message on one line; null where it gave neither. */
export function wordsOf({ error, message }: Pick<Refusal, 'error' | 'message'>): string | null {
  const said = [error, message].filter((text) => text !== null).join(': ')
  return said === '' ? null : said
}

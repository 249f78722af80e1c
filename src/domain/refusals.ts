import type { Refusal } from './outcome.js'

/**
 * A 429 speaks for the whole key and a 402 for the whole account. An API may also answer one search like that again and
 * again while the others go through. These rules tell the two apart, so that no search holds up the rest and no
 * rate limit or empty account makes a dead letter.
 */

/** What the ledger knows when a search is told to wait; the call that has just ended is not counted. */
export interface RefusalHistory {
  /** Calls of this search that were rate limited, since it was submitted or last retried. */
  readonly rateLimits: number
  /** Calls of this search answered 402 while GET /me showed credits, since then. */
  readonly refusals: number
  /** Other searches called since its first refusal: answered, and never rate limited meanwhile. */
  readonly othersAnswered: number
  /** The same: rate limited at least once. */
  readonly othersLimited: number
  /** No other search waits for its verdict. */
  readonly isAlone: boolean
}

export const NEVER_REFUSED: RefusalHistory = {
  rateLimits: 0,
  refusals: 0,
  othersAnswered: 0,
  othersLimited: 0,
  isAlone: false,
}

/** A limit of the key would have to hit one search so often in a row, by chance once in so many cases. */
const ONE_IN = 1_000_000_000
const FEWEST_RATE_LIMITS = 4
/** So many other searches are counted as limited whatever was seen: little evidence asks for more refusals. */
const PRIOR = 3
/** With no other search to compare with: by then it was tried for more than an hour. */
const RATE_LIMITS_UNCOMPARED = 20
const REFUSALS = 5
const REFUSALS_UNCOMPARED = 10

/** More of the others were answered than limited: the limit is not the key's, so nobody else waits for it. */
export function isLimitedAlone({ rateLimits, othersAnswered, othersLimited }: RefusalHistory): boolean {
  return rateLimits > 0 && othersAnswered > othersLimited
}

/**
 * After how many rate limits a search is a dead letter. A limit of the key hits all searches alike, so the share of the
 * others that were limited says how likely so many in a row are. Infinity: nothing speaks against the key's limit.
 */
export function mostRateLimits(history: RefusalHistory, isAccountGood = false): number {
  const { othersAnswered, othersLimited } = history
  if (othersAnswered === 0)
    return isAccountGood && isUncompared(history) ? RATE_LIMITS_UNCOMPARED : Number.POSITIVE_INFINITY
  const share = (othersLimited + PRIOR) / (othersAnswered + othersLimited + PRIOR)
  return Math.max(FEWEST_RATE_LIMITS, Math.ceil(Math.log(ONE_IN) / -Math.log(share)))
}

/** No other search waits, and none was called since its first refusal: GET /me is all that there is to compare with. */
export function isUncompared({ isAlone, othersAnswered, othersLimited }: RefusalHistory): boolean {
  return isAlone && othersAnswered + othersLimited === 0
}

/** So often that GET /me is worth a question. */
export function isNearlyTooOften(history: RefusalHistory): boolean {
  return isUncompared(history) && history.rateLimits + 1 >= RATE_LIMITS_UNCOMPARED
}

/** After how many 402 a search is a dead letter, each while GET /me showed credits. */
export function mostRefusals({ othersAnswered }: RefusalHistory): number {
  return othersAnswered > 0 ? REFUSALS : REFUSALS_UNCOMPARED
}

/** 'HTTP 402: "Out of credits: Please top up"' */
export function refusalInWords(refusal: Pick<Refusal, 'status' | 'error' | 'message'>): string {
  const said = wordsOf(refusal)
  return said === null ? `HTTP ${refusal.status}` : `HTTP ${refusal.status}: "${said}"`
}

/** As the ledger keeps it. */
export function refusalDetail({ error, code, message }: Refusal, waits: string | null = null): string {
  return [error, code, message, waits].filter((text) => text !== null).join(' · ')
}

/** Of a rate limit. */
export function retryAfterInWords(ms: number | null): string {
  return ms === null ? 'no readable Retry-After' : `Retry-After ${Math.ceil(ms / 1000)} s`
}

/** What the API said, out of the ledger's line: without our word on the Retry-After. */
export function wordsInDetail(detail: string): string {
  return detail.replace(/(^| · )(Retry-After \d+ s|no readable Retry-After)$/, '')
}

/** What the API said, on one line; null where it gave no reason. */
export function wordsOf({ error, message }: Pick<Refusal, 'error' | 'message'>): string | null {
  const said = [error, message].filter((text) => text !== null).join(': ')
  return said === '' ? null : said
}

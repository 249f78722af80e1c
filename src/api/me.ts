import { readErrorBody } from './error-body.js'
import { headerFacts } from './headers.js'
import { asCount, asFields, parseObject } from './json.js'
import type { Received } from './received.js'

/** GET /me: checks the key and returns the balance and the limits. Free. Null: not given by the API. */
export type MeResult =
  | {
      readonly kind: 'ok'
      readonly tier: string | null
      readonly creditsRemaining: number | null
      readonly monthlyAllowance: number | null
      readonly limitPerMinute: number | null
      /** Null also for "unlimited". */
      readonly limitPerDay: number | null
      readonly remainingToday: number | null
    }
  | { readonly kind: 'unauthorized' }
  /** Any other result, in one short phrase: not reachable, rate limited, not readable. */
  | { readonly kind: 'failed'; readonly reason: string }

export function readMe(response: Received): MeResult {
  const { status } = response
  if (status === 401) return { kind: 'unauthorized' }
  if (status < 200 || status > 299) {
    const { error, message } = readErrorBody(response.text)
    return { kind: 'failed', reason: [`HTTP ${status}`, error, message].filter((part) => part !== null).join(': ') }
  }
  if (response.end !== 'whole') return { kind: 'failed', reason: response.problem }
  const said = parseObject(response.text)
  if (said === null) return { kind: 'failed', reason: 'the answer of GET /me is not a JSON object' }
  const headers = headerFacts(response.headers)
  const limits = asFields(said.rate_limit)
  return {
    kind: 'ok',
    tier: typeof said.tier === 'string' && said.tier !== '' ? said.tier : null,
    creditsRemaining: asCount(said.credits_remaining) ?? headers.creditsRemaining,
    monthlyAllowance: asCount(said.monthly_allowance),
    limitPerMinute: asCount(limits?.requests_per_minute) || headers.limitPerMinute,
    limitPerDay: asCount(limits?.requests_per_day) || headers.limitPerDay,
    remainingToday: headers.remainingToday,
  }
}

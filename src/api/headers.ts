import { asCount } from '../domain/json.js'
import type { ResponseFacts } from '../domain/outcome.js'
import { oneLine } from './error-body.js'

/** Header names are in lower case; the value of a repeated header is a list. */
export type Headers = Readonly<Record<string, string | readonly string[] | undefined>>

/** Headers in which servers and proxies send a request id, most specific first. The API document names none. */
const REQUEST_ID_HEADERS = ['x-request-id', 'request-id', 'x-amzn-requestid', 'x-correlation-id', 'cf-ray']

/** A header's first value; null when it is missing. */
export function header(headers: Headers, name: string): string | null {
  const value = headers[name]
  return (typeof value === 'string' ? value : value?.[0]) ?? null
}

export function requestIdHeader(headers: Headers): string | null {
  for (const name of REQUEST_ID_HEADERS) {
    const id = oneLine(header(headers, name) ?? '')
    if (id !== null) return id.slice(0, 200)
  }
  return null
}

/** Parses limits and credits from the headers, strictly. A limit of 0 is unusable: null. */
export function headerFacts(
  headers: Headers,
): Pick<
  ResponseFacts,
  'creditsRemaining' | 'limitPerMinute' | 'remainingThisMinute' | 'limitPerDay' | 'remainingToday'
> {
  return {
    creditsRemaining: count(headers, 'x-credits-remaining'),
    limitPerMinute: count(headers, 'x-ratelimit-limit') || null,
    remainingThisMinute: count(headers, 'x-ratelimit-remaining'),
    limitPerDay: count(headers, 'x-ratelimit-limit-daily') || null,
    remainingToday: count(headers, 'x-ratelimit-remaining-daily'),
  }
}

function count(headers: Headers, name: string): number | null {
  return asCount(header(headers, name)?.trim())
}

import type { ResponseFacts } from '../domain/outcome.js'
import { oneLine } from './error-body.js'

/** Header names in lower case; a header that was sent twice is a list. */
export type Headers = Readonly<Record<string, string | readonly string[] | undefined>>

/** Where servers and proxies put the id that support asks for, most telling first. The API document does not say which. */
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

/** What the headers say about limits and credits, strictly read. A limit of 0 would be no limit to pace by: null. */
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
  const text = header(headers, name)?.trim() ?? ''
  return /^\d{1,15}$/.test(text) ? Number(text) : null
}

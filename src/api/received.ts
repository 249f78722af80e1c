import { readBodyText } from './body-text.js'
import type { RawResponse } from './exchange.js'
import { type Headers, header } from './headers.js'
import type { RedactableKey } from './redact.js'

/** A response as the rest of this room sees it: as text, and free of the API key in headers and body. */
export interface Received {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  readonly end: RawResponse['end']
  /** Why it was cut, or what stood in the way of reading it; empty when nothing did. */
  readonly problem: string
}

/** The one door through which responses come in. */
export function receive(raw: RawResponse, key: RedactableKey, maxBytes: number): Received {
  const body = readBodyText(raw.body, raw.headers, maxBytes)
  const paid = raw.status >= 200 && raw.status <= 299
  return {
    status: raw.status,
    headers: Object.fromEntries(Object.keys(raw.headers).map((name) => [name, clean(header(raw.headers, name), key)])),
    text: paid ? key.redactAnswer(body.text) : key.redact(body.text),
    end: raw.end,
    problem: key.redact(raw.problem || (body.problem ?? '')),
  }
}

function clean(value: string | null, key: RedactableKey): string | undefined {
  return value === null ? undefined : key.redact(value)
}

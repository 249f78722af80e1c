import { readBodyText } from './body-text.js'
import type { RawResponse } from './exchange.js'
import { type Headers, header } from './headers.js'
import type { RedactableKey } from './redact.js'

/** A response as text, with the API key redacted from headers and body. */
export interface Received {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  readonly end: RawResponse['end']
  /** Why it was cut off or could not be decoded; empty otherwise. */
  readonly problem: string
}

/** Every response passes through here, so that none keeps the API key. */
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

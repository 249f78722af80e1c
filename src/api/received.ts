import { brotliDecompressSync, gunzipSync, inflateSync } from 'node:zlib'
import type { RawResponse } from './exchange.js'
import { type Headers, header } from './headers.js'
import { redactKeyInAnswer, redactor } from './redact.js'

/** A response as the rest of this room sees it: as text, and free of the API key in headers and body. */
export interface Received {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  readonly end: RawResponse['end']
  readonly problem: string
}

/** The one door through which responses come in. */
export function receive(raw: RawResponse, key: string, maxBytes: number): Received {
  const text = unpack(raw.body, header(raw.headers, 'content-encoding'), maxBytes)
  const paid = raw.status >= 200 && raw.status <= 299
  const redact = redactor(key)
  return {
    status: raw.status,
    headers: Object.fromEntries(
      Object.keys(raw.headers).map((name) => [name, clean(header(raw.headers, name), redact)]),
    ),
    text: paid ? redactKeyInAnswer(text, key, redact) : redact(text),
    end: raw.end,
    problem: raw.problem,
  }
}

function clean(value: string | null, redact: (text: string) => string): string | undefined {
  return value === null ? undefined : redact(value)
}

/**
 * We ask for no compression, but a proxy may compress all the same, and an answer that is paid for
 * must not be lost over it. What does not unpack, or unpacks to more than the cap, stays as it came.
 */
function unpack(body: Buffer, encoding: string | null, maxBytes: number): string {
  const options = { maxOutputLength: maxBytes }
  try {
    switch (encoding?.trim().toLowerCase()) {
      case 'gzip':
      case 'x-gzip':
        return gunzipSync(body, options).toString('utf8')
      case 'deflate':
        return inflateSync(body, options).toString('utf8')
      case 'br':
        return brotliDecompressSync(body, options).toString('utf8')
      default:
        return body.toString('utf8')
    }
  } catch {
    return body.toString('utf8')
  }
}

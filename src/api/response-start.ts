import type { Headers } from './headers.js'

export interface ResponseStart {
  readonly status: number
  readonly headers: Headers
  /** The bytes after the headers; empty when the headers never ended. */
  readonly body: Buffer
}

const STATUS_LINE = /HTTP\/\d(?:\.\d)? (\d{3}|2\d?$)/i
const END_OF_HEAD = /\r?\n\r?\n/

/**
 * Reads the beginning of a response from bytes that the HTTP parser rejected: invalid headers, too many
 * headers, or a connection lost within them. The status line decides: a call with a 2xx may be paid for,
 * and one with any other status was free. Stray bytes before it, such as the end of another response, are skipped.
 *
 * @returns null when there is no final status line (1xx are skipped)
 */
export function readResponseStart(bytes: Buffer): ResponseStart | null {
  // One character per byte, so offsets in the text are offsets in the bytes.
  const text = bytes.toString('latin1')
  let from = 0
  for (;;) {
    const found = STATUS_LINE.exec(text.slice(from))
    if (found === null) return null
    from += found.index
    const rest = text.slice(from)
    const status = Number(found[1]?.padEnd(3, '0'))
    const end = END_OF_HEAD.exec(rest)
    const headLength = end === null ? rest.length : end.index + end[0].length
    if (status >= 200) {
      return { status, headers: readHeaders(rest.slice(0, headLength)), body: bytes.subarray(from + headLength) }
    }
    if (end === null) return null
    from += headLength
  }
}

/** Skips lines that are not headers; keeps all values of a repeated header. */
function readHeaders(head: string): Headers {
  const headers = new Map<string, string[]>()
  for (const line of head.split(/\r?\n/).slice(1)) {
    const colon = line.indexOf(':')
    if (colon < 1) continue
    const name = line.slice(0, colon).trim().toLowerCase()
    const value = line.slice(colon + 1).trim()
    const values = headers.get(name)
    if (values === undefined) headers.set(name, [value])
    else values.push(value)
  }
  return Object.fromEntries(headers)
}

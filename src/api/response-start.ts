import type { Headers } from './headers.js'

export interface ResponseStart {
  readonly status: number
  readonly headers: Headers
  /** What came behind the headers; empty when they never ended. */
  readonly body: Buffer
}

const STATUS_LINE = /HTTP\/\d(?:\.\d)? (\d{3}|2\d?$)/i
const END_OF_HEAD = /\r?\n\r?\n/

/**
 * The beginning of a response, read from bytes in which the HTTP parser found no response: headers that
 * are not allowed, too many of them, a connection that was lost within them. What counts is the status
 * line. Once a 2xx has begun the call may be paid for, and once another status has, it was free. Stray bytes before
 * it, such as the end of another response, are passed over.
 *
 * @returns null when no final status line is there (1xx are passed over)
 */
export function readResponseStart(bytes: Buffer): ResponseStart | null {
  // One character a byte: places in the text are places in the bytes.
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

/** Lines that are no header are left out; of one that is there twice all values are kept. */
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

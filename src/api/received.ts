import { isUtf8 } from 'node:buffer'
import { brotliDecompressSync, constants, gunzipSync, inflateRawSync, inflateSync } from 'node:zlib'
import { errorCode } from '../domain/errors.js'
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
    headers: Object.fromEntries(
      Object.keys(raw.headers).map((name) => [name, key.redact(header(raw.headers, name) ?? '')]),
    ),
    text: paid ? key.redactAnswer(body.text) : key.redact(body.text),
    end: raw.end,
    problem: key.redact(raw.problem || (body.problem ?? '')),
  }
}

interface BodyText {
  readonly text: string
  /** Why the body could not be decoded, as a phrase for people; null when it could. */
  readonly problem: string | null
}

/** Limits the work: each layer may be as long as the size limit. */
const MAX_LAYERS = 3
const GZIP_MAGIC = Buffer.from([0x1f, 0x8b])

/**
 * Decodes a body to text, whatever encoding a server or proxy has applied: a paid answer must not be lost to
 * an encoding. A body that cannot be decoded is kept as a `data:` URL, which preserves every byte.
 */
function readBodyText(body: Buffer, headers: Headers, maxBytes: number): BodyText {
  let decoded: Decoded = { bytes: body, problem: null }
  for (const encoding of encodingsOf(headers).slice(-MAX_LAYERS).reverse()) {
    if (decoded.problem === null) decoded = decode(decoded.bytes, encoding, maxBytes)
  }
  // Compressed without a Content-Encoding header.
  const isStillPacked = decoded.problem === null && decoded.bytes.subarray(0, 2).equals(GZIP_MAGIC)
  const { bytes, problem } = isStillPacked ? decode(decoded.bytes, 'gzip', maxBytes) : decoded
  return problem === null || (isUtf8(bytes) && !bytes.includes(0))
    ? { text: inCharset(bytes, header(headers, 'content-type')), problem }
    : { text: dataUrl(bytes, headers), problem }
}

/** In the order they were applied. Names are case-insensitive (RFC 9110, 8.4.1). */
function encodingsOf(headers: Headers): string[] {
  const value = headers['content-encoding']
  if (value === undefined) return []
  return [value]
    .flat()
    .join(',')
    .toLowerCase()
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '' && name !== 'identity')
}

interface Decoded {
  readonly bytes: Buffer
  readonly problem: string | null
}

/** @returns the bytes unchanged when there is a problem */
function decode(bytes: Buffer, encoding: string, maxBytes: number): Decoded {
  try {
    const decoded = decompress(bytes, encoding, maxBytes)
    if (decoded !== null) return { bytes: decoded, problem: null }
    return {
      bytes,
      problem: `a body in the encoding ${JSON.stringify(encoding.slice(0, 40))}, which is not known here`,
    }
  } catch (error) {
    const found =
      errorCode(error) === 'ERR_BUFFER_TOO_LARGE' ? `${encoding} of more than ${maxBytes} bytes` : `broken ${encoding}`
    return { bytes, problem: found }
  }
}

/** Decodes as much as possible of a body that was cut off. @returns null for an unknown encoding */
function decompress(bytes: Buffer, encoding: string, maxBytes: number): Buffer | null {
  const options = { maxOutputLength: maxBytes, finishFlush: constants.Z_SYNC_FLUSH }
  switch (encoding) {
    case 'gzip':
    case 'x-gzip':
      return gunzipSync(bytes, options)
    case 'deflate':
      return isZlib(bytes) ? inflateSync(bytes, options) : inflateRawSync(bytes, options)
    case 'br':
      return brotliDecompressSync(bytes, { ...options, finishFlush: constants.BROTLI_OPERATION_FLUSH })
    default:
      return null
  }
}

/**
 * `deflate` should have the zlib header and often does not. RFC 1950, 2.2: the first two bytes are a multiple
 * of 31.
 */
function isZlib(bytes: Buffer): boolean {
  const [first = 0, second = 0] = bytes
  return (first & 0x0f) === 8 && ((first << 8) | second) % 31 === 0
}

/** Falls back to UTF-8, as JSON requires, when the charset is unknown or missing. */
function inCharset(bytes: Buffer, contentType: string | null): string {
  const charset = byteOrderMark(bytes) ?? /;\s*charset\s*=\s*"?([^\s";]+)/i.exec(contentType ?? '')?.[1]
  if (charset === undefined || /^utf-?8$/i.test(charset)) return bytes.toString('utf8')
  try {
    return new TextDecoder(charset, { ignoreBOM: true }).decode(bytes)
  } catch {
    return bytes.toString('utf8')
  }
}

function byteOrderMark([first, second]: Buffer): string | null {
  if (first === 0xff && second === 0xfe) return 'utf-16le'
  return first === 0xfe && second === 0xff ? 'utf-16be' : null
}

function dataUrl(bytes: Buffer, headers: Headers): string {
  const type = (header(headers, 'content-type') ?? '').replace(/[^\w/+.=;-]/g, '')
  return `data:${type};base64,${bytes.toString('base64')}`
}

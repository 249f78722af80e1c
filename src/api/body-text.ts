import { brotliDecompressSync, constants, gunzipSync, inflateRawSync, inflateSync } from 'node:zlib'
import { errorCode } from '../domain/error-code.js'
import { type Headers, header } from './headers.js'

/**
 * The text of a body, whatever a server or a proxy has wrapped it in: an answer that is paid for must not be
 * lost over that. What is no text for us is kept as a `data:` URL, from which every byte can be had again.
 */
export interface BodyText {
  readonly text: string
  /** What stood in the way, as a phrase for people; null when nothing did. */
  readonly problem: string | null
}

/** Each layer may be as long as the limit: more of them are nothing but work. */
const MAX_LAYERS = 3
const GZIP_MAGIC = Buffer.from([0x1f, 0x8b])

export function readBodyText(body: Buffer, headers: Headers, maxBytes: number): BodyText {
  const encodings = encodingsOf(headers)
  let bytes = body
  let problem: string | null = null
  for (const encoding of encodings.slice(-MAX_LAYERS).reverse()) {
    const decoded = decode(bytes, encoding, maxBytes)
    problem = decoded.problem
    bytes = decoded.bytes
    if (problem !== null) break
  }
  // Compressed, and not a word about it.
  if (problem === null && bytes.subarray(0, 2).equals(GZIP_MAGIC)) {
    const decoded = decode(bytes, 'gzip', maxBytes)
    problem = decoded.problem
    bytes = decoded.bytes
  }
  return problem === null || isText(bytes)
    ? { text: inCharset(bytes, header(headers, 'content-type')), problem }
    : { text: dataUrl(bytes, headers), problem }
}

/** In the order in which they were applied. Names are of any letter case (RFC 9110, 8.4.1). */
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

/** @returns the bytes as they were where there is a problem */
function decode(bytes: Buffer, encoding: string, maxBytes: number): { bytes: Buffer; problem: string | null } {
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

/** Of a body that was cut, what can be had is had. @returns null for an encoding that is not known */
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

/** Deflate is to be in zlib's wrapping, and often is not. RFC 1950, 2.2: the first two bytes are a multiple of 31. */
function isZlib(bytes: Buffer): boolean {
  const [first = 0, second = 0] = bytes
  return (first & 0x0f) === 8 && ((first << 8) | second) % 31 === 0
}

function isText(bytes: Buffer): boolean {
  try {
    return !new TextDecoder('utf-8', { fatal: true }).decode(bytes).includes('\0')
  } catch {
    return false
  }
}

/** A charset that is unknown, or none: UTF-8, as JSON is to be. */
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

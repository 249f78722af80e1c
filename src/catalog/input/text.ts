import { isAscii, isUtf8 } from 'node:buffer'
import { pipeline, Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { CatalogError, errorCode } from '../../domain/errors.js'
import { prepend } from '../row-chunks.js'
import { characterBytes, countCharacters, countLineEnds, describeBadBytes, undecodableError } from './bad-bytes.js'
import {
  decodeChunks,
  detectByteOrderMark,
  detectWideEncoding,
  isWideEncoding,
  LF,
  requireEncoding,
} from './encodings.js'
import { requireText } from './not-catalog.js'

export interface TextSource {
  /** Begins with `head`. The pieces behind it are short. */
  readonly pieces: AsyncIterable<Buffer>
  /** The first 256 KB, in which the readers look for the dialect or the shape; empty for an empty source. */
  readonly head: Buffer
  /** It begins with one, or is not UTF-8: then Excel would not find out that an export is. */
  readonly byteOrderMark: boolean
  /** How the bytes were read: "gzip", "windows-1251". The plan shows it. */
  readonly notes: readonly string[]
  /**
   * Lines of the text so far with bytes that are invalid in the encoding, each with a description. A line is
   * added before its piece is handed out. The reader may delete a line that it has read.
   */
  readonly badLines: Map<number, string>
}

const PIECE_BYTES = 256 * 1024
/** V8 maps memory for each string over 128 KB, which takes longer than reading it. In V8 a character takes up to two bytes. */
const SHORT_PIECE_BYTES = 32 * 1024
const CR = 13
const MARK = Buffer.from('\uFEFF')
const REPLACEMENT = Buffer.from('\uFFFD')

/**
 * Turns the bytes of a source into UTF-8 text: unpacked, decoded, checked, with one kind of line end. The
 * result is valid UTF-8 in short pieces, cut between characters.
 *
 * The encoding is that of the byte order mark, else the user's option, else UTF-16 or UTF-32 if the zero bytes
 * prove it, else UTF-8 if all bytes are valid. Others are never guessed: with a wrong guess, garbled words would
 * be searched and paid for.
 * @throws CatalogError for input that is not text, or in an unknown encoding
 */
export async function openText(
  chunks: AsyncIterable<Uint8Array | string>,
  name: string,
  encoding: string | undefined,
): Promise<TextSource> {
  const said = encoding === undefined ? null : requireEncoding(encoding)
  const notes: string[] = []
  let bytes = await peek(regroup(chunks))
  if (isGzip(bytes.head)) {
    notes.push('gzip')
    bytes = await peek(regroup(unpackGzip(bytes.all, name)))
  }
  requireText(bytes.head, name)
  const mark = detectByteOrderMark(bytes.head)
  // Some programs put the mark of UTF-8 before text in another encoding; the other marks can be trusted.
  const marked = mark === null || mark.encoding === 'utf-8' ? null : mark.encoding
  const used = marked ?? said ?? detectWideEncoding(bytes.head) ?? 'utf-8'
  if (used === 'utf-8' && said !== null) notes.push(used)
  if (used !== 'utf-8') notes.push(`${used} (the export is UTF-8)`)
  if (used === said && used !== 'utf-8' && hasNonAsciiUtf8(bytes.head)) notes.push('although all of it is valid UTF-8')
  const unmarked = mark === null ? bytes.all : dropFirst(bytes.all, mark.length)
  const text = used === 'utf-8' ? unmarked : regroup(decodeChunks(unmarked, used))
  const badLines = new Map<number, string>()
  const isStrict = used === 'utf-8' && said === null
  const checked = isStrict
    ? requireUtf8(withLineFeeds(text), name)
    : replaceInvalidBytes(withLineFeeds(text), used, badLines)
  const { head } = await peek(checked)
  if (head.includes(0)) notes.push('NUL bytes around values removed from queries')
  return {
    pieces: prepend(head, shortPieces(checked)),
    head,
    byteOrderMark: mark !== null || used !== 'utf-8',
    notes,
    badLines,
  }
}

/** Whether it is UTF-8 with non-ASCII characters. Text in another encoding hardly ever is. */
function hasNonAsciiUtf8(head: Buffer): boolean {
  const whole = head.subarray(0, wholeLength(head))
  return isUtf8(whole) && !isAscii(whole)
}

/** Returns the first piece, and all pieces including it. */
async function peek(
  pieces: AsyncGenerator<Buffer, void, undefined>,
): Promise<{ head: Buffer; all: AsyncGenerator<Buffer, void, undefined> }> {
  const first = await pieces.next()
  const head = first.value ?? Buffer.alloc(0)
  return { head, all: prepend(head, pieces) }
}

/** Regroups chunks into pieces of one size. */
async function* regroup(chunks: AsyncIterable<Uint8Array | string>): AsyncGenerator<Buffer, void, undefined> {
  let held: Buffer[] = []
  let heldBytes = 0
  for await (const chunk of chunks) {
    let bytes =
      typeof chunk === 'string' ? Buffer.from(chunk) : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    while (heldBytes + bytes.length >= PIECE_BYTES) {
      const end = PIECE_BYTES - heldBytes
      yield held.length === 0 ? bytes.subarray(0, end) : Buffer.concat([...held, bytes.subarray(0, end)])
      held = []
      heldBytes = 0
      bytes = bytes.subarray(end)
    }
    if (bytes.length === 0) continue
    held.push(bytes)
    heldBytes += bytes.length
  }
  if (heldBytes > 0) yield Buffer.concat(held)
}

async function* dropFirst(pieces: AsyncIterable<Buffer>, count: number): AsyncGenerator<Buffer, void, undefined> {
  let isFirst = true
  for await (const piece of pieces) {
    const rest = isFirst ? piece.subarray(count) : piece
    isFirst = false
    if (rest.length > 0) yield rest
  }
}

/** Replaces lone CR by LF in a file whose lines end in CR (Excel's "CSV (Macintosh)"). */
async function* withLineFeeds(pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void, undefined> {
  let hasLoneCr: boolean | null = null
  for await (const piece of pieces) {
    hasLoneCr ??= !piece.includes(LF) && piece.includes(CR)
    yield hasLoneCr ? Buffer.from(piece.map((byte) => (byte === CR ? LF : byte))) : piece
  }
}

/** Passes UTF-8 through. @throws CatalogError with the place, and how the bytes read in other encodings */
async function* requireUtf8(pieces: AsyncIterable<Buffer>, name: string): AsyncGenerator<Buffer, void, undefined> {
  let line = 1
  /** Characters of that line in earlier pieces. */
  let before = 0
  let sawUtf8 = false
  for await (const piece of splitBetweenCharacters(pieces)) {
    if (!isUtf8(piece)) throw undecodableError({ name, bytes: piece, line, before, sawUtf8 })
    sawUtf8 ||= !isAscii(piece)
    yield dropMarks(piece, line === 1 && before === 0)
    line += countLineEnds(piece)
    const start = piece.lastIndexOf(LF) + 1
    before = (start > 0 ? 0 : before) + countCharacters(piece.subarray(start))
  }
}

/** Replaces invalid bytes by U+FFFD, and adds their lines to `badLines`. */
async function* replaceInvalidBytes(
  pieces: AsyncIterable<Buffer>,
  encoding: string,
  badLines: Map<number, string>,
): AsyncGenerator<Buffer, void, undefined> {
  let line = 1
  let isFirst = true
  const foreign = isWideEncoding(encoding)
    ? 'bytes that are no character: is the file cut off?'
    : 'bytes of another encoding'
  for await (const piece of splitBetweenCharacters(pieces)) {
    const isDamaged = encoding === 'utf-8' ? !isUtf8(piece) : piece.includes(REPLACEMENT)
    if (isDamaged) {
      for (const [index, bytes] of linesOf(piece)) {
        const found = encoding === 'utf-8' ? describeBadBytes(bytes) : bytes.includes(REPLACEMENT) ? foreign : null
        if (found !== null) badLines.set(line + index, `expected ${encoding}, found ${found}`)
      }
    }
    line += countLineEnds(piece)
    yield dropMarks(isDamaged ? Buffer.from(piece.toString('utf8')) : piece, isFirst)
    isFirst = false
  }
}

function dropMarks(piece: Buffer, isFirst: boolean): Buffer {
  let rest = piece
  while (isFirst && rest.subarray(0, MARK.length).equals(MARK)) rest = rest.subarray(MARK.length)
  return rest
}

function* linesOf(piece: Buffer): Generator<[number, Buffer]> {
  let start = 0
  for (let index = 0; start < piece.length; index++) {
    const end = piece.indexOf(LF, start)
    const next = end === -1 ? piece.length : end + 1
    yield [index, piece.subarray(start, next)]
    start = next
  }
}

/** Regroups UTF-8 into pieces that end between characters. */
async function* splitBetweenCharacters(pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void, undefined> {
  let rest = Buffer.alloc(0)
  for await (const piece of pieces) {
    const bytes = rest.length === 0 ? piece : Buffer.concat([rest, piece])
    const end = wholeLength(bytes)
    rest = Buffer.from(bytes.subarray(end))
    if (end > 0) yield bytes.subarray(0, end)
  }
  if (rest.length > 0) yield rest
}

/** Cuts valid UTF-8 between characters. */
async function* shortPieces(pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void, undefined> {
  for await (const piece of pieces) {
    for (let rest = piece; rest.length > 0; ) {
      const end = wholeLength(rest.subarray(0, SHORT_PIECE_BYTES))
      yield rest.subarray(0, end)
      rest = rest.subarray(end)
    }
  }
}

/** The length without an incomplete character at the end. */
function wholeLength(bytes: Buffer): number {
  for (let back = 1; back <= 3 && back <= bytes.length; back++) {
    const byte = bytes[bytes.length - back] ?? 0
    if (byte < 0x80) return bytes.length
    if (byte >= 0xc0) return characterBytes(byte) > back ? bytes.length - back : bytes.length
  }
  return bytes.length
}

function isGzip(head: Buffer): boolean {
  return head[0] === 0x1f && head[1] === 0x8b && head[2] === 8
}

/**
 * The content of a gzip file, or of several joined ones. It is streamed, so a file that unpacks to a thousand
 * times its size takes time but no memory.
 */
async function* unpackGzip(chunks: AsyncIterable<Buffer>, name: string): AsyncGenerator<Buffer, void, undefined> {
  const gunzip = createGunzip({ chunkSize: PIECE_BYTES })
  // Errors are thrown to the reader of the content.
  pipeline(Readable.from(chunks), gunzip, () => {})
  try {
    for await (const chunk of gunzip) yield chunk as Buffer
  } catch (error) {
    throw explainGzipError(error, name)
  }
}

function explainGzipError(error: unknown, name: string): unknown {
  switch (errorCode(error)) {
    case 'Z_BUF_ERROR':
      return new CatalogError(`${name}: expected a whole gzip file, found one that is cut off. Fetch or pack it again.`)
    case 'Z_DATA_ERROR':
    case 'Z_NEED_DICT':
      return new CatalogError(`${name}: expected a gzip file, found a damaged one. Fetch or pack it again.`)
    default:
      return error
  }
}

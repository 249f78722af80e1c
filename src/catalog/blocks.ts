import { isUtf8 } from 'node:buffer'
import { UsageError } from '../domain/errors.js'
import { shellWord } from './source.js'

/**
 * A stream of bytes as blocks of whole lines. Everything behind this file may therefore decode a block
 * at once: no character and no line is ever cut in two. Memory is one block, or one line if that is
 * longer, and a line without end is refused. Files whose lines end in a lone CR (Excel's "CSV
 * (Macintosh)") are turned into LF here, so that the rest of the program knows one line end.
 */
const BLOCK_BYTES = 256 * 1024
/** The longest line, and the longest record across lines. */
export const LONGEST_RECORD_BYTES = 1024 * 1024
export const LF = 10
const CR = 13

export async function* readBlocks(
  chunks: AsyncIterable<Uint8Array | string>,
  name: string,
): AsyncGenerator<Buffer, void, undefined> {
  let held: Buffer[] = []
  let heldBytes = 0
  let loneCr: boolean | null = null
  let line = 1

  for await (const chunk of chunks) {
    const bytes =
      typeof chunk === 'string' ? Buffer.from(chunk) : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    held.push(bytes)
    heldBytes += bytes.length
    if (heldBytes < BLOCK_BYTES) continue
    const all = held.length === 1 ? bytes : Buffer.concat(held, heldBytes)
    loneCr ??= hasLoneCr(all)
    const whole = loneCr ? withLf(all) : all
    const end = whole.lastIndexOf(LF) + 1
    if (whole.length - end > LONGEST_RECORD_BYTES) throw lineTooLong(name, line + countLines(whole, 0, end))
    held = [whole.subarray(end)]
    heldBytes = whole.length - end
    if (end === 0) continue
    line += countLines(whole, 0, end)
    yield whole.subarray(0, end)
  }

  const last = Buffer.concat(held, heldBytes)
  if (last.length > 0) yield (loneCr ?? hasLoneCr(last)) ? withLf(last) : last
}

function hasLoneCr(bytes: Buffer): boolean {
  return !bytes.includes(LF) && bytes.includes(CR)
}

function withLf(bytes: Buffer): Buffer {
  return Buffer.from(bytes).map((byte) => (byte === CR ? LF : byte)) as Buffer
}

/** Line ends from `start` up to, not including, `end`. */
export function countLines(bytes: Buffer, start: number, end: number): number {
  let count = 0
  for (let at = bytes.indexOf(LF, start); at !== -1 && at < end; at = bytes.indexOf(LF, at + 1)) count++
  return count
}

/** Throws a `UsageError` that names the line and the command to convert the file. */
export function requireUtf8(bytes: Buffer, firstLine: number, name: string): void {
  if (isUtf8(bytes)) return
  let line = firstLine
  let start = 0
  let end = bytes.indexOf(LF)
  while (end !== -1 && isUtf8(bytes.subarray(start, end))) {
    line++
    start = end + 1
    end = bytes.indexOf(LF, start)
  }
  throw new UsageError(
    `${name}, line ${line}: expected UTF-8, found bytes of another encoding (Latin-1?). ` +
      `Convert it: iconv -f WINDOWS-1252 -t UTF-8 ${shellWord(name)} > utf8.csv`,
  )
}

function lineTooLong(name: string, line: number): UsageError {
  return new UsageError(`${name}, line ${line}: expected a line of at most 1 MB, found a longer one. Is it a catalog?`)
}

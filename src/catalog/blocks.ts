/**
 * A stream of UTF-8 as blocks of whole lines: no line is ever cut in two. Memory is one piece, or one line if
 * that is longer. A line of more than 16 MB is not kept: it is that line's trouble alone.
 */
/** The longest line. */
export const LONGEST_LINE_BYTES = 16 * 1024 * 1024
/** What is kept of a line that is too long. */
const BEGINNING_BYTES = 200
export const LF = 10

export interface LongLine {
  /** From 1. */
  readonly line: number
  /** Of the whole line, without its end. */
  readonly bytes: number
  readonly beginning: string
}

/** Whole lines, or in place of one line that is too long its size. */
export type Block = Buffer | LongLine

/** @param pieces each much shorter than the longest line */
export async function* readBlocks(pieces: AsyncIterable<Buffer>): AsyncGenerator<Block, void, undefined> {
  /** The line that has not ended yet. */
  let held: Buffer[] = []
  let heldBytes = 0
  let tooLong = null as LongLine | null
  let line = 1

  for await (const piece of pieces) {
    let rest = piece
    const firstEnd = rest.indexOf(LF)
    const bytes: number = (tooLong?.bytes ?? heldBytes) + (firstEnd === -1 ? rest.length : firstEnd)
    if (bytes > LONGEST_LINE_BYTES) {
      tooLong = { line, bytes, beginning: tooLong?.beginning ?? beginningOf([...held, rest]) }
      held = []
      heldBytes = 0
      if (firstEnd === -1) continue
      yield tooLong
      tooLong = null
      line++
      rest = rest.subarray(firstEnd + 1)
    }
    const end = rest.lastIndexOf(LF) + 1
    if (end > 0) {
      line += countLines(rest, 0, end)
      yield joined([...held, rest.subarray(0, end)])
      held = []
      heldBytes = 0
    }
    if (end === rest.length) continue
    held.push(rest.subarray(end))
    heldBytes += rest.length - end
  }
  if (tooLong !== null) yield tooLong
  else if (heldBytes > 0) yield joined(held)
}

/** Line ends from `start` up to, not including, `end`. */
export function countLines(bytes: Buffer, start: number, end: number): number {
  let count = 0
  for (let at = bytes.indexOf(LF, start); at !== -1 && at < end; at = bytes.indexOf(LF, at + 1)) count++
  return count
}

function joined(buffers: readonly Buffer[]): Buffer {
  const [only, ...others] = buffers
  return only !== undefined && others.length === 0 ? only : Buffer.concat(buffers)
}

function beginningOf(buffers: readonly Buffer[]): string {
  const text = joined(buffers).subarray(0, BEGINNING_BYTES).toString('utf8')
  // Its last character may have been cut.
  return text.replace(/\uFFFD$/, '')
}

import { randomUUID } from 'node:crypto'
import { closeSync, openSync, readSync, unlinkSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { StringDecoder } from 'node:string_decoder'
import { errorCode, UnreachableError } from '../../domain/errors.js'
import { LONG_ROW_KEPT_CHARACTERS, LONGEST_ROW_BYTES } from '../catalog.js'

/** A piece of the text, and its length as UTF-8. */
export interface TextPiece {
  readonly text: string
  readonly bytes: number
}

/** A record that has not ended yet; `start`: in the present piece, negative if earlier. */
interface OpenRecord {
  readonly start: number
  readonly line: number
  readonly isQuoted: boolean
}

/** Room for the other cells of a row with one cell of the greatest length. */
const OTHER_CELLS_BYTES = 1024 * 1024

/**
 * Keeps the text of a record that has not ended yet, since it may have to be read again.
 * @param name of the catalog, for messages
 */
export function createRecordBuffer(name: string) {
  let parts: TextPiece[] = []
  let bytes = 0
  let spill: Spill | null = null
  const opened: Spill[] = []
  let isWhole = true
  let isTooLong = false

  const clear = () => {
    if (bytes === 0) return
    parts = []
    bytes = 0
    spill?.close()
    spill = null
    isWhole = true
    isTooLong = false
  }

  return {
    bytes: () => bytes,
    /** Longer than a row may be. */
    isTooLong: () => isTooLong,
    /** Whether nothing of it was dropped. */
    isWhole: () => isWhole,
    /** @throws UnreachableError if the temporary directory has no room for it */
    add(piece: TextPiece, { start, line, isQuoted }: OpenRecord): void {
      const text = start > 0 ? piece.text.slice(start) : piece.text
      const part = { text, bytes: start > 0 ? Buffer.byteLength(text) : piece.bytes }
      bytes += part.bytes
      isTooLong ||= bytes > LONGEST_ROW_BYTES + OTHER_CELLS_BYTES
      if (!isTooLong) parts.push(part)
      else if (isQuoted && isWhole) {
        try {
          if (spill === null) {
            spill = openSpill()
            opened.push(spill)
          }
          spill.add(text)
        } catch (error) {
          throw explainSpillError(error, `${name}, line ${line}`)
        }
      } else isWhole = false
    },
    beginning(length = LONG_ROW_KEPT_CHARACTERS): string {
      let text = ''
      for (const part of parts) {
        if (text.length >= length) break
        text += part.text
      }
      return text.slice(0, length)
    },
    /** Hands out all of it, followed by the present piece, and starts empty. */
    takeWith(piece: TextPiece | null): Iterator<TextPiece, void> {
      const taken = allOf(parts, spill, piece)
      parts = []
      // The reader of the spilled text closes its file.
      spill = null
      clear()
      return taken
    },
    clear,
    /** Closes the files, also those that `takeWith` handed out. */
    close: () => {
      for (const each of opened) each.close()
    },
  }
}

function* allOf(parts: readonly TextPiece[], spill: Spill | null, last: TextPiece | null): Generator<TextPiece, void> {
  yield* parts
  if (spill !== null) yield* spill.pieces()
  if (last !== null) yield last
}

type Spill = ReturnType<typeof openSpill>

const PIECE_BYTES = 256 * 1024

/**
 * Text that is too long for memory, in a file without a name: no other process can open it, and it is gone
 * when this process ends.
 */
function openSpill() {
  const path = join(tmpdir(), `trackyard-batch-${randomUUID()}`)
  const file = openSync(path, 'wx+', 0o600)
  unlinkSync(path)
  let isOpen = true
  const close = () => {
    if (isOpen) closeSync(file)
    isOpen = false
  }
  return {
    add(text: string): void {
      const bytes = Buffer.from(text)
      for (let written = 0; written < bytes.length; ) written += writeSync(file, bytes, written)
    },
    /** All of it, once; closes the file at the end. */
    *pieces(): Generator<TextPiece, void> {
      const decoder = new StringDecoder('utf8')
      const buffer = Buffer.alloc(PIECE_BYTES)
      try {
        for (let at = 0; ; ) {
          const count = readSync(file, buffer, 0, PIECE_BYTES, at)
          if (count === 0) return
          at += count
          yield { text: decoder.write(buffer.subarray(0, count)), bytes: count }
        }
      } finally {
        close()
      }
    },
    close,
  }
}

function explainSpillError(error: unknown, place: string): UnreachableError {
  const code = errorCode(error)
  const found = code === 'ENOSPC' || code === 'EDQUOT' ? 'which is full' : `in which no file can be written (${code})`
  return new UnreachableError(
    `${place}: a quotation mark is not closed, and the text behind it needs room in the temporary directory (${tmpdir()}), ${found}.`,
    { hint: 'Free some space there, set TMPDIR, or correct the line.', cause: error },
  )
}

import { LONGEST_LINE_BYTES } from './blocks.js'
import { openSpill, type Spill } from './spill.js'
import type { TextPiece } from './text-pieces.js'

/** The text of a record that is not all there yet: it may turn out that it must be read again. */
export interface HeldText {
  readonly bytes: number
  /** More than a row may have. */
  readonly isTooLong: boolean
  /** Whether all of it can be read again. */
  readonly isWhole: boolean
  add(piece: TextPiece, open: { readonly start: number; readonly isQuoted: boolean }): void
  beginning(length?: number): string
  /** All of it, and the present piece behind it. */
  takeWith(piece: TextPiece | null): Iterator<TextPiece, void>
  clear(): void
  /** Also what was taken. */
  close(): void
}

/** Cells beside one of the longest. */
const OTHER_CELLS_BYTES = 1024 * 1024
const BEGINNING = 200

export function noHeldText(): HeldText {
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
    get bytes() {
      return bytes
    },
    get isTooLong() {
      return isTooLong
    },
    get isWhole() {
      return isWhole
    },
    add(piece, { start, isQuoted }) {
      const text = start > 0 ? piece.text.slice(start) : piece.text
      const part = { text, bytes: start > 0 ? Buffer.byteLength(text) : piece.bytes }
      bytes += part.bytes
      isTooLong ||= bytes > LONGEST_LINE_BYTES + OTHER_CELLS_BYTES
      if (!isTooLong) parts.push(part)
      else if (isQuoted && isWhole) {
        if (spill === null) {
          spill = openSpill()
          opened.push(spill)
        }
        spill.add(text)
      } else isWhole = false
    },
    beginning(length = BEGINNING) {
      let text = ''
      for (const part of parts) {
        if (text.length >= length) break
        text += part.text
      }
      return text.slice(0, length)
    },
    takeWith(piece) {
      const taken = allOf(parts, spill, piece)
      parts = []
      // Whoever reads it closes it.
      spill = null
      clear()
      return taken
    },
    clear,
    close: () => {
      for (const each of opened) each.close()
    },
  }
}

function* allOf(
  parts: readonly TextPiece[],
  spill: Spill | null,
  last: TextPiece | null,
): Generator<TextPiece, void, undefined> {
  yield* parts
  if (spill !== null) yield* spill.pieces()
  if (last !== null) yield last
}

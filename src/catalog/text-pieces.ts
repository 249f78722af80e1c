/** A piece of the text, and how many bytes it was as UTF-8. */
export interface TextPiece {
  readonly text: string
  readonly bytes: number
}

/** Pieces of text, some of which are read again. */
export interface TextPieces {
  next(): Promise<TextPiece | null>
  /** These come first, then what was to come. */
  putBack(pieces: Iterator<TextPiece, void>): void
}

export function textPieces(pieces: AsyncIterator<Buffer, void>): TextPieces {
  const again: Iterator<TextPiece, void>[] = []
  return {
    async next() {
      for (let top = again.at(-1); top !== undefined; top = again.at(-1)) {
        const { value } = top.next()
        if (value !== undefined) return value
        again.pop()
      }
      const { value } = await pieces.next()
      return value === undefined ? null : { text: value.toString('utf8'), bytes: value.length }
    },
    putBack: (back) => void again.push(back),
  }
}

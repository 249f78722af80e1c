import { randomUUID } from 'node:crypto'
import { closeSync, openSync, readSync, unlinkSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { StringDecoder } from 'node:string_decoder'
import type { TextPiece } from './text-pieces.js'

/**
 * Text that is too long for memory and may be needed again: it waits in a file that nobody else can open and that is
 * gone with the process.
 */
export interface Spill {
  add(text: string): void
  /** All of it, once; closes the file behind it. */
  pieces(): Generator<TextPiece, void, undefined>
  close(): void
}

const PIECE_BYTES = 256 * 1024

export function openSpill(): Spill {
  const path = join(tmpdir(), `trackyard-batch-${randomUUID()}`)
  const file = openSync(path, 'wx+', 0o600)
  unlinkSync(path)
  let isOpen = true
  const close = () => {
    if (isOpen) closeSync(file)
    isOpen = false
  }
  return {
    add(text) {
      const bytes = Buffer.from(text)
      for (let written = 0; written < bytes.length; ) written += writeSync(file, bytes, written)
    },
    *pieces() {
      const decoder = new StringDecoder('utf8')
      const buffer = Buffer.alloc(PIECE_BYTES)
      let at = 0
      try {
        for (;;) {
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

import { isUtf8 } from 'node:buffer'
import { UsageError } from '../domain/errors.js'
import { LF } from './blocks.js'
import { likelyReadings } from './likely-encodings.js'

/** How many bytes the character has that begins with this one; 0: none does. */
export function characterBytes(byte: number): number {
  if (byte < 0x80) return 1
  if (byte < 0xc2) return 0
  if (byte < 0xe0) return 2
  if (byte < 0xf0) return 3
  return byte < 0xf5 ? 4 : 0
}

/** What in a line is no UTF-8, for the problem of its row; null: all of it is. */
export function badBytes(line: Buffer): string | null {
  if (isUtf8(line)) return null
  const at = firstBad(line)
  return `${hex(badRun(line, at))} at character ${charactersBefore(line, at) + 1}`
}

/** The catalog is no UTF-8 and nobody said what it is: shows the bytes and how they may be meant. */
export function undecodable(place: {
  readonly name: string
  readonly bytes: Buffer
  /** Of the first byte. */
  readonly line: number
  /** Characters of that line before the first byte. */
  readonly before: number
  /** There were characters beyond ASCII before, in UTF-8. */
  readonly isForeign: boolean
}): UsageError {
  const { name, bytes } = place
  const at = firstBad(bytes)
  const start = bytes.lastIndexOf(LF, at) + 1
  const line = place.line + lineEnds(bytes.subarray(0, start))
  const column = (start === 0 ? place.before : 0) + charactersBefore(bytes.subarray(start), at - start) + 1
  const run = badRun(bytes, at)
  const readings = likelyReadings(bytes, at)
  const [best] = readings
  const shown = readings.map(({ encoding, text }) => `"${text}" in ${encoding}`).join(', ')
  const found = `${name}, line ${line}, character ${column}: expected UTF-8, found ${hex(run)}`
  if (best === undefined) return new UsageError(`${found}. Is it text? If so, name its encoding with --encoding.`)
  const next =
    place.isForeign || isMostlyUtf8(bytes)
      ? 'Other lines are UTF-8: mend this one, or pass --encoding utf-8 to read the file without the rows that are not.'
      : `Name the encoding that reads right: --encoding ${best.encoding}`
  return new UsageError(`${found}: ${shown}. ${next}`)
}

function firstBad(bytes: Buffer): number {
  let at = 0
  // Line by line, since most are good and isUtf8 is fast.
  for (let end = bytes.indexOf(LF); end !== -1 && isUtf8(bytes.subarray(at, end)); end = bytes.indexOf(LF, at))
    at = end + 1
  while (at < bytes.length) {
    const count = characterBytes(bytes[at] ?? 0)
    if (count === 0 || at + count > bytes.length || !isUtf8(bytes.subarray(at, at + count))) return at
    at += count
  }
  return bytes.length
}

/** The bad byte and those beyond ASCII behind it. */
function badRun(bytes: Buffer, at: number): Buffer {
  let end = at + 1
  while (end < bytes.length && end < at + 8 && (bytes[end] ?? 0) >= 0x80) end++
  return bytes.subarray(at, end)
}

function hex(bytes: Buffer): string {
  const digits = bytes
    .toString('hex')
    .toUpperCase()
    .replace(/..(?=.)/g, '$& ')
  return `${bytes.length === 1 ? 'the byte' : 'the bytes'} ${digits}`
}

function charactersBefore(line: Buffer, at: number): number {
  return line.toString('utf8', 0, at).length
}

function lineEnds(bytes: Buffer): number {
  let count = 0
  for (const byte of bytes) if (byte === LF) count++
  return count
}

/** Whether most lines with characters beyond ASCII are UTF-8. */
function isMostlyUtf8(bytes: Buffer): boolean {
  let good = 0
  let bad = 0
  for (const line of bytes.toString('latin1').split('\n')) {
    if (!/\P{ASCII}/u.test(line)) continue
    if (isUtf8(Buffer.from(line, 'latin1'))) good++
    else bad++
  }
  return good > bad
}

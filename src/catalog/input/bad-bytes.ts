import { isAscii, isUtf8 } from 'node:buffer'
import { CatalogError } from '../../domain/errors.js'
import { decodeText, LF } from './encodings.js'

/** The length in bytes of a UTF-8 character that begins with this byte; 0: no character begins with it. */
export function characterBytes(byte: number): number {
  if (byte < 0x80) return 1
  if (byte < 0xc2) return 0
  if (byte < 0xe0) return 2
  if (byte < 0xf0) return 3
  return byte < 0xf5 ? 4 : 0
}

/** Describes the first bytes of a line that are not UTF-8. Null: the whole line is. */
export function describeBadBytes(line: Buffer): string | null {
  if (isUtf8(line)) return null
  const at = firstBad(line)
  return `${hex(badRun(line, at))} at character ${countCharacters(line.subarray(0, at)) + 1}`
}

/** The catalog is not UTF-8 and no encoding was given. The message shows how the bytes read in likely encodings. */
export function undecodableError(place: {
  readonly name: string
  readonly bytes: Buffer
  /** Of the first byte. */
  readonly line: number
  /** Characters of that line before the first byte. */
  readonly before: number
  /** Earlier text had non-ASCII characters in valid UTF-8. */
  readonly sawUtf8: boolean
}): CatalogError {
  const { name, bytes } = place
  const at = firstBad(bytes)
  const start = bytes.lastIndexOf(LF, at) + 1
  const line = place.line + countLineEnds(bytes.subarray(0, start))
  const column = (start === 0 ? place.before : 0) + countCharacters(bytes.subarray(start, at)) + 1
  const run = badRun(bytes, at)
  const readings = likelyReadings(bytes, at)
  const [best] = readings
  const shown = readings.map(({ encoding, text }) => `"${text}" in ${encoding}`).join(', ')
  const found = `${name}, line ${line}, character ${column}: expected UTF-8, found ${hex(run)}`
  if (best === undefined) return new CatalogError(`${found}. Is it text? If so, name its encoding with --encoding.`)
  const next =
    place.sawUtf8 || isMostlyUtf8(bytes)
      ? 'Other lines are UTF-8: correct this one, or pass --encoding utf-8 to mark such rows as invalid and read the rest.'
      : `Name the encoding that reads right: --encoding ${best.encoding}`
  return new CatalogError(`${found}: ${shown}. ${next}`)
}

function firstBad(bytes: Buffer): number {
  let at = 0
  while (at < bytes.length) {
    const count = characterBytes(bytes[at] ?? 0)
    if (count === 0 || at + count > bytes.length || !isUtf8(bytes.subarray(at, at + count))) return at
    at += count
  }
  return bytes.length
}

/** The bad byte and the non-ASCII bytes after it. */
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

/** As a string counts them: a character of four bytes is two. The bytes must be valid UTF-8. */
export function countCharacters(bytes: Buffer): number {
  if (isAscii(bytes)) return bytes.length
  let count = 0
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] ?? 0
    if (byte >= 0xf0) count += 2
    else if (byte < 0x80 || byte >= 0xc0) count++
  }
  return count
}

export function countLineEnds(bytes: Buffer): number {
  let count = 0
  for (let at = bytes.indexOf(LF); at !== -1; at = bytes.indexOf(LF, at + 1)) count++
  return count
}

/** Whether most lines with non-ASCII characters are UTF-8. */
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

/**
 * Encodings that catalogs come in. Bytes that are not UTF-8 are shown in the likeliest of them, and the
 * user, who knows the words, chooses. Nothing is decoded by this guess.
 */
const CANDIDATES = [
  'windows-1252',
  'windows-1251',
  'shift_jis',
  'macintosh',
  'gb18030',
  'euc-kr',
  'big5',
  'euc-jp',
  'windows-1250',
  'koi8-r',
  'cp866',
  'cp850',
  'windows-1253',
  'windows-1255',
  'windows-1256',
  'windows-874',
]
const SHOWN = 4
/** How many bytes `likelyReadings` looks at, and how many the message shows. */
const SAMPLE_BYTES = 2000
const WORD_BYTES = 24

/** @param at the first byte that is not UTF-8 */
function likelyReadings(bytes: Buffer, at: number): readonly { readonly encoding: string; readonly text: string }[] {
  const sample = bytes.subarray(wordStart(bytes, at), at + SAMPLE_BYTES)
  const shown = sample.subarray(0, wordEnd(sample))
  const readings = CANDIDATES.map((encoding) => ({
    encoding,
    text: decodeText(shown, encoding),
    score: plausibility(decodeText(sample, encoding)),
  }))
  const likely = readings.filter(({ score }) => score > IMPOSSIBLE).sort((one, other) => other.score - one.score)
  const different = likely.filter(({ text }, index) => likely.findIndex((other) => other.text === text) === index)
  return different.slice(0, SHOWN)
}

function isSeparator(byte: number): boolean {
  return byte < 0x20 || byte === 0x22 || byte === 0x2c || byte === 0x3b
}

function wordStart(bytes: Buffer, at: number): number {
  let start = at
  while (start > 0 && at - start < WORD_BYTES && !isSeparator(bytes[start - 1] ?? 0)) start--
  return start
}

function wordEnd(sample: Buffer): number {
  let end = 0
  while (end < sample.length && end < 2 * WORD_BYTES && !isSeparator(sample[end] ?? 0)) end++
  return end
}

const IMPOSSIBLE = -1000

/** Higher is likelier. Whole words in one script and one letter case score best. */
function plausibility(text: string): number {
  // The sample may end inside a character.
  const body = text.slice(0, -1)
  if (/[\uFFFD\p{Co}\p{Cn}\p{Cc}]/u.test(body.replace(/\s/g, ' '))) return IMPOSSIBLE
  let score = 0
  let foreign = 0
  for (const word of body.match(/[A-Za-z\P{ASCII}]+/gu) ?? []) {
    const beyond = word.match(/\P{ASCII}/gu)?.length ?? 0
    if (beyond === 0) continue
    foreign += beyond
    score += wordScore(word, beyond)
  }
  return foreign === 0 ? IMPOSSIBLE : score / foreign
}

function wordScore(word: string, beyond: number): number {
  let score = 0
  const count = (pattern: RegExp): number => word.match(pattern)?.length ?? 0
  score += count(/(?=\P{ASCII})\p{L}/gu)
  // These cost two bytes each, so they prove more.
  score += count(/[\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}]/gu)
  score -= 2 * count(/[\uff61-\uff9f]/g)
  // Typographic marks are common, other signs are not.
  score += 0.5 * count(/[‘’“”–—…«»°№€•™]/g)
  score -= count(/(?=\P{ASCII})[^\p{L}\p{M}\p{N}‘’“”–—…«»°№€•™]/gu)
  // Capitals inside a word, several scripts in one word, and consecutive accented letters are unlikely.
  score -= 1.5 * count(/(?<=\p{Ll})\p{Lu}/gu)
  score -= 2 * extraScripts(word)
  if (beyond >= 3) score -= count(/(?<=[\u00c0-\u024f])[\u00c0-\u024f]/g)
  return score
}

/** How many scripts a word has beyond the first. */
function extraScripts(word: string): number {
  const scripts = [
    /\p{Script=Latin}/u,
    /\p{Script=Cyrillic}/u,
    /\p{Script=Greek}/u,
    /\p{Script=Hebrew}/u,
    /\p{Script=Arabic}/u,
    /\p{Script=Thai}/u,
    /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}]/u,
  ].filter((script) => script.test(word)).length
  return Math.max(0, scripts - 1)
}

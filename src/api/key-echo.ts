export type KeyEcho = (text: string) => boolean

const SHORTEST_PIECE = 8
const GRAM = 4
const TABLE_BITS = 16

interface Needle {
  readonly text: string
  /** This many of its characters in a row count as an echo. */
  readonly piece: number
}

/**
 * Finds the API key in a text in any spelling: in other letter case, in groups, with percent or HTML escapes
 * (of some or all characters), as hexadecimal, decimal or base64. Any piece of at least half the key counts.
 *
 * The text is normalized: escapes decoded, letter case folded, everything but letters and digits dropped.
 * It is then compared with the key, normalized the same way. Most texts share no run of four characters
 * with the key, so they cost a single pass and no copy.
 * @param shortestKey in letters and digits; a shorter key may be an ordinary word and is never matched
 * @returns null for a shorter key
 */
export function keyEcho(key: string, shortestKey: number): KeyEcho | null {
  if (fold(key).length < shortestKey) return null
  const needles = needlesOf(key)
  const grams = gramsOf(needles)
  const shortestRun = Math.min(...needles.map(({ piece }) => piece)) - GRAM + 1
  const holds = (text: string): boolean => hasRun(text, grams, shortestRun) && hasPiece(fold(text), needles)
  return (text) => {
    if (text.length < SHORTEST_PIECE) return false
    if (holds(text)) return true
    let decoded = text
    // Escapes may be nested, for example on a page that shows a URL.
    for (let layer = 0; layer < 3 && mayBeEscaped(decoded); layer += 1) {
      const again = decodeEscapes(decoded)
      if (again === decoded) return false
      decoded = again
      if (holds(decoded)) return true
    }
    return false
  }
}

function needlesOf(key: string): Needle[] {
  const spellings = new Set([key, key.toLowerCase(), key.toUpperCase()])
  const texts = [...spellings].flatMap((spelling) => {
    const bytes = Buffer.from(spelling)
    return [spelling, bytes.toString('hex'), bytes.join(''), ...base64Forms(bytes)]
  })
  return [...new Set(texts.map(fold))]
    .map((text) => ({ text, piece: Math.max(SHORTEST_PIECE, Math.floor(text.length / 2)) }))
    .filter(({ text, piece }) => text.length >= piece)
}

/** The base64 characters that depend on the key alone, for each of the three alignments. */
export function base64Forms(key: Buffer): string[] {
  return [0, 1, 2].map((offset) => {
    const bytes = Buffer.concat([Buffer.alloc(offset), key])
    const start = Math.ceil((offset * 8) / 6)
    const end = Math.floor((bytes.length * 8) / 6)
    return bytes.toString('base64').slice(start, end)
  })
}

/** In a key of at most this length, two escapes are always close enough for `MAY_BE_ESCAPED` to find them. */
export const LONGEST_SURE_KEY = 64
/** A single escape leaves half the key unescaped. Most answers contain a few escapes, far apart. */
const MAY_BE_ESCAPED = /(?:[%&\\]|0x)[^%&\\]{0,64}(?:[%&\\]|0x)/i

function mayBeEscaped(text: string): boolean {
  return ESCAPE_SIGNS.some((sign) => text.includes(sign)) && MAY_BE_ESCAPED.test(text)
}

const ESCAPE_SIGNS = ['%', '&', '\\', '0x', '0X']

const ESCAPES =
  /%([0-9a-f]{2})|&#x([0-9a-f]{1,6});?|&#(\d{1,7});?|\\u([0-9a-f]{4})|\\u\{([0-9a-f]{1,6})\}|\\x([0-9a-f]{2})|\b0x([0-9a-f]{2})(?![0-9a-f])|\\([0-7]{3})|\\[a-z]|&[a-z]{2,8};/gi

function decodeEscapes(text: string): string {
  return text.replace(ESCAPES, (_, ...groups: (string | undefined)[]) => {
    const [percent, entityHex, entity, unicode, unicodeBraces, hex, zeroX, octal] = groups
    const hexadecimal = percent ?? entityHex ?? unicode ?? unicodeBraces ?? hex ?? zeroX
    if (hexadecimal !== undefined) return character(Number.parseInt(hexadecimal, 16))
    if (entity !== undefined) return character(Number(entity))
    // Other escapes are white space or punctuation, which are ignored.
    return octal === undefined ? ' ' : character(Number.parseInt(octal, 8))
  })
}

function character(code: number): string {
  return code <= 0x10ffff ? String.fromCodePoint(code) : ' '
}

function fold(text: string): string {
  return text.replace(/[^a-z0-9]+/gi, '').toLowerCase()
}

function hasPiece(folded: string, needles: readonly Needle[]): boolean {
  return needles.some(({ text, piece }) => {
    for (let from = 0; from + piece <= text.length; from += 1) {
      if (folded.includes(text.slice(from, from + piece))) return true
    }
    return false
  })
}

function gramsOf(needles: readonly Needle[]): Uint8Array {
  const grams = new Uint8Array(1 << TABLE_BITS)
  for (const { text } of needles) {
    let gram = 0
    for (let index = 0; index < text.length; index += 1) {
      gram = nextGram(gram, FOLDED[text.charCodeAt(index)] ?? 0)
      if (index >= GRAM - 1) grams[placeOf(gram)] = 1
    }
  }
  return grams
}

/**
 * Whether the text has `shortest` grams of the key in a row, as wherever it has a piece of the key, and rarely
 * elsewhere. Such a run has at least `shortest` places where a gram begins, so it is enough to test every `shortest`th
 * character. One loop without calls, because it runs over every answer.
 */
function hasRun(text: string, grams: Uint8Array, shortest: number): boolean {
  let from = 0
  for (;;) {
    let gram = 0
    let letters = 0
    let start = from
    let index = from
    for (; letters < GRAM && index < text.length; index += 1) {
      const code = text.charCodeAt(index)
      const folded = code < 128 ? FOLDED[code] : 0
      if (folded === undefined || folded === 0) continue
      if (letters === 0) start = index
      gram = (gram << 6) | folded
      letters += 1
    }
    if (letters < GRAM) return false
    if (grams[placeOf(gram)] === 1 && isInRun(text, start, grams, shortest)) return true
    from = start + shortest
  }
}

/** @param start of one gram of the key */
function isInRun(text: string, start: number, grams: Uint8Array, shortest: number): boolean {
  let from = start
  for (let before = shortest - 1; before > 0 && from > 0; from -= 1) if (foldedAt(text, from - 1) > 0) before -= 1
  let gram = 0
  let run = 0
  let letters = 0
  for (let index = from; index < text.length; index += 1) {
    const folded = foldedAt(text, index)
    if (folded === 0) continue
    gram = nextGram(gram, folded)
    run = grams[placeOf(gram)] === 1 ? run + 1 : 0
    if (run >= shortest) return true
    if (index >= start) letters += 1
    if (run === 0 && letters >= GRAM) return false
  }
  return false
}

function foldedAt(text: string, index: number): number {
  const code = text.charCodeAt(index)
  return code < 128 ? (FOLDED[code] ?? 0) : 0
}

/** Six bits for each of the last four characters. */
function nextGram(gram: number, folded: number): number {
  return ((gram << 6) | folded) & 0xffffff
}

function placeOf(gram: number): number {
  return (gram ^ (gram >>> 8)) & ((1 << TABLE_BITS) - 1)
}

/** By ASCII code: 1 to 10 for a digit, 11 to 36 for a letter of either case, 0 for characters that are ignored. */
const FOLDED = Uint8Array.from({ length: 128 }, (_, code) => {
  const place = '0123456789abcdefghijklmnopqrstuvwxyz'.indexOf(String.fromCharCode(code).toLowerCase())
  return place + 1
})

import { decodedText } from './encodings.js'

/**
 * How bytes that are no UTF-8 would read in the encodings that catalogs come in, the likeliest first. It is for
 * the eye of somebody who knows the words: nothing is decoded by it.
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
/** What is looked at to tell them apart, and what is shown. */
const SAMPLE_BYTES = 2000
const WORD_BYTES = 24

/** @param at where the first byte is that is no UTF-8 */
export function likelyReadings(
  bytes: Buffer,
  at: number,
): readonly { readonly encoding: string; readonly text: string }[] {
  const sample = bytes.subarray(wordStart(bytes, at), at + SAMPLE_BYTES)
  const shown = sample.subarray(0, wordEnd(sample))
  const readings = CANDIDATES.map((encoding) => ({
    encoding,
    text: decodedText(shown, encoding),
    score: plausibility(decodedText(sample, encoding)),
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

/** Higher is likelier: whole words in one script and one letter case. */
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
  // Capitals inside a word, several scripts in one, and accents in a row.
  score -= 1.5 * count(/(?<=\p{Ll})\p{Lu}/gu)
  score -= 2 * scripts(word)
  if (beyond >= 3) score -= count(/(?<=[\u00c0-\u024f])[\u00c0-\u024f]/g)
  return score
}

/** How many scripts too many. */
function scripts(word: string): number {
  const found = [
    /\p{Script=Latin}/u,
    /\p{Script=Cyrillic}/u,
    /\p{Script=Greek}/u,
    /\p{Script=Hebrew}/u,
    /\p{Script=Arabic}/u,
    /\p{Script=Thai}/u,
    /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}]/u,
  ].filter((script) => script.test(word)).length
  return Math.max(0, found - 1)
}

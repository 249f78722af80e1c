import iconv from 'iconv-lite'
import { didYouMean } from '../../domain/did-you-mean.js'
import { CatalogError } from '../../domain/errors.js'

export const LF = 10

/**
 * The encodings that a catalog may have, by their names in the WHATWG Encoding Standard, and the DOS code
 * pages. iconv-lite decodes them, because Node's TextDecoder reads windows-1252 as ISO-8859-1.
 */
const ENCODINGS = [
  'utf-8',
  'utf-16le',
  'utf-16be',
  'utf-32le',
  'utf-32be',
  'windows-1250',
  'windows-1251',
  'windows-1252',
  'windows-1253',
  'windows-1254',
  'windows-1255',
  'windows-1256',
  'windows-1257',
  'windows-1258',
  'windows-874',
  'macintosh',
  'x-mac-cyrillic',
  'shift_jis',
  'euc-jp',
  'gb18030',
  'big5',
  'euc-kr',
  'koi8-r',
  'koi8-u',
  ...[2, 3, 4, 5, 6, 7, 8, 9, 10, 13, 14, 15, 16].map((part) => `iso-8859-${part}`),
  ...[437, 850, 852, 855, 857, 858, 860, 861, 862, 863, 864, 865, 866, 869].map((page) => `cp${page}`),
] as const

/** Other names for them, reduced to letters and digits. */
const ALIASES: Readonly<Record<string, string>> = {
  utf8mb4: 'utf-8',
  unicode: 'utf-16le',
  utf16: 'utf-16le',
  ucs2: 'utf-16le',
  utf32: 'utf-32le',
  ucs4: 'utf-32le',
  ascii: 'windows-1252',
  usascii: 'windows-1252',
  ansi: 'windows-1252',
  latin1: 'windows-1252',
  iso88591: 'windows-1252',
  l1: 'windows-1252',
  latin2: 'iso-8859-2',
  latin9: 'iso-8859-15',
  mac: 'macintosh',
  macroman: 'macintosh',
  maccyrillic: 'x-mac-cyrillic',
  sjis: 'shift_jis',
  shiftjis: 'shift_jis',
  mskanji: 'shift_jis',
  windows31j: 'shift_jis',
  cp932: 'shift_jis',
  ms932: 'shift_jis',
  eucjp: 'euc-jp',
  gbk: 'gb18030',
  gb2312: 'gb18030',
  cp936: 'gb18030',
  big5hkscs: 'big5',
  cp950: 'big5',
  euckr: 'euc-kr',
  cp949: 'euc-kr',
  ksc5601: 'euc-kr',
  uhc: 'euc-kr',
  cp874: 'windows-874',
  tis620: 'windows-874',
}

const NUMBERS = ENCODINGS.flatMap((name) => /^windows-(\d+)$/.exec(name)?.[1] ?? [])

/** @throws CatalogError for an unknown name */
export function requireEncoding(name: string): string {
  const known = encodingNamed(name)
  if (known !== null) return known
  const near = didYouMean(name, [
    ...ENCODINGS,
    ...Object.keys(ALIASES),
    ...NUMBERS.flatMap((number) => [`win${number}`, `cp${number}`]),
  ])
  const guess = near === null ? '' : ` Did you mean ${encodingNamed(near)}?`
  throw new CatalogError(
    `--encoding: expected the name of an encoding, found "${name}".${guess} Known are: ${ENCODINGS.join(', ')}.`,
  )
}

function encodingNamed(name: string): string | null {
  const plain = folded(name)
  const number = /^(?:cp|win|windows|ms|ibm|dos|oem)?(\d{3,4})$/.exec(plain)?.[1]
  const names = [plain, ...(number === undefined ? [] : [`windows${number}`, `cp${number}`])]
  for (const each of names) {
    const known =
      ENCODINGS.find((encoding) => folded(encoding) === each) ??
      (Object.hasOwn(ALIASES, each) ? ALIASES[each] : undefined)
    if (known !== undefined) return known
  }
  return null
}

function folded(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]/g, '')
}

/** Decodes to UTF-8. Invalid bytes, and half a character at the end, become U+FFFD. */
export async function* decodeChunks(
  chunks: AsyncIterable<Buffer>,
  encoding: string,
): AsyncGenerator<Buffer, void, undefined> {
  const decoder = iconv.getDecoder(codecOf(encoding), { stripBOM: false })
  let bytes = 0
  for await (const chunk of chunks) {
    bytes += chunk.length
    yield Buffer.from(decoder.write(chunk))
  }
  // The decoders of UTF-16 and UTF-32 drop an incomplete unit.
  const isCut = isWideEncoding(encoding) && bytes % (encoding.startsWith('utf-32') ? 4 : 2) !== 0
  const rest = `${decoder.end() ?? ''}${isCut ? '\uFFFD' : ''}`
  if (rest !== '') yield Buffer.from(rest)
}

/** UTF-16 or UTF-32. */
export function isWideEncoding(encoding: string): boolean {
  return /^utf-(16|32)/.test(encoding)
}

/** The same for a few bytes. */
export function decodeText(bytes: Buffer, encoding: string): string {
  return iconv.decode(bytes, codecOf(encoding), { stripBOM: false })
}

function codecOf(encoding: string): string {
  return encoding === 'x-mac-cyrillic' ? 'maccyrillic' : encoding
}

/** Byte order marks. The longer ones come first, since UTF-32 LE begins like UTF-16 LE. */
const MARKS: readonly { readonly encoding: string; readonly bytes: readonly number[] }[] = [
  { encoding: 'utf-32le', bytes: [0xff, 0xfe, 0, 0] },
  { encoding: 'utf-32be', bytes: [0, 0, 0xfe, 0xff] },
  { encoding: 'utf-8', bytes: [0xef, 0xbb, 0xbf] },
  { encoding: 'utf-16le', bytes: [0xff, 0xfe] },
  { encoding: 'utf-16be', bytes: [0xfe, 0xff] },
]

export function detectByteOrderMark(head: Buffer): { readonly encoding: string; readonly length: number } | null {
  for (const { encoding, bytes } of MARKS) {
    if (bytes.every((byte, index) => head[index] === byte)) return { encoding, length: bytes.length }
  }
  return null
}

/**
 * Detects UTF-16 and UTF-32 without a mark by the zero bytes of their ASCII characters. These are always on
 * the same side, and beside every line end. Null: neither. Zero bytes that pad a column are in other places.
 */
export function detectWideEncoding(head: Buffer): string | null {
  const zeros = [0, 0, 0, 0]
  for (let at = head.indexOf(0); at !== -1; at = head.indexOf(0, at + 1)) zeros[at % 4] = (zeros[at % 4] ?? 0) + 1
  const [a = 0, b = 0, c = 0, d = 0] = zeros
  const isMostly = (one: number, other: number): boolean => one * 20 > head.length / 4 && one > other * 20
  if (isMostly(Math.min(b, c, d), a) && lineEndsHave(head, [1, 2, 3])) return 'utf-32le'
  if (isMostly(Math.min(a, b, c), d) && lineEndsHave(head, [-3, -2, -1])) return 'utf-32be'
  if (isMostly(b + d, a + c) && lineEndsHave(head, [1])) return 'utf-16le'
  if (isMostly(a + c, b + d) && lineEndsHave(head, [-1])) return 'utf-16be'
  return null
}

/** Whether most line ends have zeros at these distances. */
function lineEndsHave(head: Buffer, distances: readonly number[]): boolean {
  let found = 0
  let fitting = 0
  for (let at = head.indexOf(LF); at !== -1; at = head.indexOf(LF, at + 1)) {
    found++
    if (distances.every((distance) => (head[at + distance] ?? 0) === 0)) fitting++
  }
  return found > 0 && fitting * 2 > found
}

import { CatalogError } from '../../domain/errors.js'
import { truncate } from '../../domain/format.js'
import { isRecord, parseJson } from '../../domain/json.js'
import { detectByteOrderMark, detectWideEncoding } from './encodings.js'
import { shellWord } from './source.js'

/** Texts that are not catalogs, recognized by their beginning: web pages, markup, and failed downloads. */
const TEXTS: readonly { readonly pattern: RegExp; readonly kind: string; readonly advice: string }[] = [
  {
    pattern: /^version https:\/\/git-lfs\.github\.com\//,
    kind: 'a Git LFS pointer in place of the file',
    advice: 'Fetch the file itself: git lfs pull',
  },
  {
    pattern: /^<(?:!doctype\s+html|html|head|body|script|meta)\b/i,
    kind: 'a web page (HTML)',
    advice: 'Was it a download that asked for a login? Open it in a browser, and fetch the file itself.',
  },
  {
    pattern: /^<\?xml\b[\s\S]{0,4000}<plist\b/i,
    kind: 'a property list (an iTunes library?)',
    advice: 'Export the playlist as text, or the table of its tracks as CSV, and submit that.',
  },
  {
    pattern: /^<(?:\?xml\b|!--|!doctype|[a-z][\w.:-]*(?:\s[^<>]*)?\/?>\s*(?:<|\n|$))/i,
    kind: 'XML',
    advice: 'Export the table of its entries as CSV or JSON and submit that.',
  },
]

/**
 * @param head the beginning of the text
 * @throws CatalogError when it is not a catalog
 */
export function requireCatalog(head: string, name: string): void {
  const text = head.trimStart()
  for (const { pattern, kind, advice } of TEXTS) {
    if (pattern.test(text)) throw new CatalogError(`${name}: expected a catalog, found ${kind}. ${advice}`)
  }
  const error = serverError(text)
  if (error === null) return
  throw new CatalogError(
    `${name}: expected a catalog, found the error that a server answered (${error}). Fetch the file again.`,
  )
}

/** An API's error in place of a file: one object with an error, and no keys but those that come with one. */
const ERROR_KEYS = ['error', 'errors', 'error_description']
const OTHER_KEYS = ['message', 'code', 'status', 'statusCode', 'status_code', 'detail', 'details']
const MORE_KEYS = ['timestamp', 'request_id', 'requestId', 'documentation_url', 'success', 'ok']

function serverError(text: string): string | null {
  if (!text.startsWith('{') || text.length > 10_000) return null
  const value = parseJson(text)
  const keys = isRecord(value) ? Object.keys(value) : []
  const known = [...ERROR_KEYS, ...OTHER_KEYS, ...MORE_KEYS]
  if (keys.length === 0 || !keys.every((key) => known.includes(key))) return null
  const isError = keys.some((key) => ERROR_KEYS.includes(key)) || keys.includes('documentation_url')
  const isMessage = keys.includes('message') && keys.some((key) => /^(code|status.*)$/.test(key))
  if (!isError && !isMessage) return null
  return truncate(text.trim().replace(/\s+/g, ' '), 80)
}

/**
 * A kind of file that people submit by mistake, recognized by its first bytes. The error says how to get a
 * catalog from it. A few NUL bytes in a text are the problem of their rows, and NUL bytes may pad columns of a
 * fixed width. NUL bytes among other control characters mean a binary file.
 */
interface Kind {
  /** Each character is a byte. */
  readonly magic: string
  /** Its position; default: the beginning. */
  readonly at?: number
  /** A text may begin with it too, so it counts only beside control characters. Default: true. */
  readonly isWord?: boolean
  readonly kind: string
  readonly advice: string
}

const unpack = (command: string): string => `Unpack it: ${command} FILE | trackyard-batch submit -`
const EXPORT_TABLE = 'Export the table as CSV or JSON Lines and submit that.'
const UNPACK_ARCHIVE = 'Unpack it and submit the CSV, TSV or JSON file in it.'
const NO_TABLE = 'Submit the table of its titles as CSV.'

const FILES: readonly Kind[] = [
  { magic: '\x1f\x8b', kind: 'a gzip file inside the gzip file', advice: unpack('gunzip -c') },
  { magic: '\x28\xb5\x2f\xfd', kind: 'a zstd file', advice: unpack('zstd -dc') },
  { magic: 'BZh', kind: 'a bzip2 file', advice: unpack('bunzip2 -c') },
  { magic: '\xfd\x37\x7a\x58\x5a', kind: 'an xz file', advice: unpack('xz -dc') },
  { magic: '\x04\x22\x4d\x18', kind: 'an lz4 file', advice: unpack('lz4 -dc') },
  { magic: '\x1f\x9d', kind: 'a compress (.Z) file', advice: unpack('gunzip -c') },
  { magic: '7z\xbc\xaf\x27\x1c', kind: 'a 7-Zip archive', advice: UNPACK_ARCHIVE },
  { magic: 'Rar!\x1a\x07', kind: 'a RAR archive', advice: UNPACK_ARCHIVE },
  { magic: 'ustar', at: 257, kind: 'a tar archive', advice: UNPACK_ARCHIVE },
  {
    magic: 'PK\x03\x04',
    kind: 'an Excel workbook (.xlsx) or another zip file',
    advice: 'Save the sheet as "CSV UTF-8", or unpack the archive, and submit that.',
  },
  { magic: 'PK\x05\x06', kind: 'an empty zip file', advice: UNPACK_ARCHIVE },
  {
    magic: '\xd0\xcf\x11\xe0',
    kind: 'an old Excel workbook (.xls)',
    advice: 'Save the sheet as "CSV UTF-8" and submit that.',
  },
  { magic: '%PDF-', isWord: false, kind: 'a PDF', advice: EXPORT_TABLE },
  { magic: 'PAR1', kind: 'a Parquet file', advice: EXPORT_TABLE },
  { magic: 'Obj\x01', kind: 'an Avro file', advice: EXPORT_TABLE },
  { magic: 'ORC', kind: 'an ORC file', advice: EXPORT_TABLE },
  { magic: 'ARROW1', kind: 'an Arrow file', advice: EXPORT_TABLE },
  { magic: 'SQLite format 3\0', kind: 'an SQLite database', advice: EXPORT_TABLE },
  { magic: '{\\rtf', isWord: false, kind: 'a rich text document (RTF)', advice: EXPORT_TABLE },
  { magic: '\x89PNG', kind: 'a picture (PNG)', advice: NO_TABLE },
  { magic: '\xff\xd8\xff', kind: 'a picture (JPEG)', advice: NO_TABLE },
  { magic: 'GIF8', kind: 'a picture (GIF)', advice: NO_TABLE },
  { magic: 'ID3', kind: 'an MP3 file', advice: NO_TABLE },
  { magic: 'OggS', kind: 'an Ogg file', advice: NO_TABLE },
  { magic: 'fLaC', kind: 'a FLAC file', advice: NO_TABLE },
  { magic: 'WAVE', at: 8, kind: 'a WAV file', advice: NO_TABLE },
  { magic: 'ftyp', at: 4, kind: 'a video or audio file (MP4)', advice: NO_TABLE },
  { magic: '\x7fELF', kind: 'a program', advice: NO_TABLE },
]

/** @param head the beginning of the input */
export function requireText(head: Buffer, name: string): void {
  const nuls = head.filter((byte) => byte === 0).length
  const others = head.filter((byte) => byte < 0x20 && !TEXT_CONTROLS.includes(byte)).length
  // A header may begin with ORC or ID3 too.
  const isClean = nuls + others === 0
  for (const { magic, at = 0, isWord = true, kind, advice } of FILES) {
    if (head.toString('latin1', at, at + magic.length) !== magic) continue
    if (isClean && isWord && /^[ -~]+$/.test(magic)) continue
    throw notText(name, kind, advice)
  }
  if (detectByteOrderMark(head) !== null || detectWideEncoding(head) !== null) return
  if (nuls > 0 && nuls === head.length) {
    throw notText(name, 'nothing but NUL bytes (a damaged copy?)', 'Fetch or export it again.')
  }
  if ((others >= 8 && others * 20 > head.length) || (nuls * 200 >= head.length && others > 0)) {
    throw notText(name, 'a binary file', 'Save it as CSV in UTF-8.')
  }
}

/** Control characters that a text may have: NUL, white space, Ctrl-Z and escape. */
const TEXT_CONTROLS = [0, 9, 10, 11, 12, 13, 0x1a, 0x1b]

function notText(name: string, kind: string, advice: string): CatalogError {
  return new CatalogError(
    `${name}: expected a CSV, TSV or JSON text, found ${kind}. ${advice.replace('FILE', shellWord(name))}`,
  )
}

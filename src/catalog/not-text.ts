import { UsageError } from '../domain/errors.js'
import { shellWord } from './source.js'

/**
 * What people hand in by mistake, told by its first bytes and answered with the way to a catalog.
 * A few NUL bytes in a text are left to the rows they stand in; many of them are a binary file.
 */
const KINDS: readonly { readonly magic: readonly number[]; readonly kind: string; readonly advice: string }[] = [
  { magic: [0x1f, 0x8b], kind: 'a gzip file', advice: 'Unpack it: gunzip -c FILE | trackyard-batch submit -' },
  {
    magic: [0x28, 0xb5, 0x2f, 0xfd],
    kind: 'a zstd file',
    advice: 'Unpack it: zstd -dc FILE | trackyard-batch submit -',
  },
  {
    magic: [0x42, 0x5a, 0x68, 0x39],
    kind: 'a bzip2 file',
    advice: 'Unpack it: bunzip2 -c FILE | trackyard-batch submit -',
  },
  { magic: [0xfd, 0x37, 0x7a, 0x58], kind: 'an xz file', advice: 'Unpack it: xz -dc FILE | trackyard-batch submit -' },
  {
    magic: [0x50, 0x4b, 0x03, 0x04],
    kind: 'an Excel workbook (.xlsx) or another zip file',
    advice: 'Save the sheet as "CSV UTF-8" and submit that.',
  },
  { magic: [0xd0, 0xcf, 0x11, 0xe0], kind: 'an old Excel workbook (.xls)', advice: 'Save the sheet as "CSV UTF-8".' },
  { magic: [0x25, 0x50, 0x44, 0x46], kind: 'a PDF', advice: 'Export the table behind it as CSV.' },
  { magic: [0x50, 0x41, 0x52, 0x31], kind: 'a Parquet file', advice: 'Export it as CSV or JSONL.' },
  { magic: [...Buffer.from('SQLite format 3')], kind: 'an SQLite database', advice: 'Export the table as CSV.' },
  { magic: [0xff, 0xfe], kind: 'UTF-16 text', advice: 'Convert it: iconv -f UTF-16 -t UTF-8 FILE > utf8.csv' },
  { magic: [0xfe, 0xff], kind: 'UTF-16 text', advice: 'Convert it: iconv -f UTF-16 -t UTF-8 FILE > utf8.csv' },
]

/** @param head the beginning of the input */
export function requireText(head: Buffer, name: string): void {
  for (const { magic, kind, advice } of KINDS) {
    if (magic.every((byte, index) => head[index] === byte)) throw notText(name, kind, advice)
  }
  const nuls = countNuls(head)
  if (nuls === 0 || nuls * 200 < head.length) return
  throw notText(name, 'a binary file or UTF-16 text without a mark', 'Save it as CSV in UTF-8.')
}

function countNuls(head: Buffer): number {
  let count = 0
  for (let at = head.indexOf(0); at !== -1; at = head.indexOf(0, at + 1)) count++
  return count
}

function notText(name: string, kind: string, advice: string): UsageError {
  return new UsageError(
    `${name}: expected a CSV, TSV or JSONL text, found ${kind}. ${advice.replace('FILE', shellWord(name))}`,
  )
}

import { gzipSync } from 'node:zlib'
import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import iconv from 'iconv-lite'
import { compileRows } from '../../src/catalog/compile-rows.js'
import { UsageError } from '../../src/domain/errors.js'
import type { LoadedRow } from '../../src/domain/request.js'
import { all, openText } from './reading.js'

/** Numbers from a number, always the same. */
function dice(seed: number): (sides: number) => number {
  let state = seed | 0
  return (sides) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % sides
  }
}

const VALUES = [
  '"x"',
  '"Ночь"',
  '"a\\"}],{"',
  '""',
  '1',
  '1.10',
  '1e400',
  '-0',
  'null',
  'true',
  '[1,"b"]',
  '{"n":{"title":"inner"}}',
]
const MARKS = ['"', '{', '}', '[', ']', ',', ':', '\\', '\n', '\r', ' ', '\0', '\uFEFF', '\u001e', 'é', '1', 'null']
const ENCODINGS = ['utf-8', 'utf-16le', 'utf-16be', 'utf-32le', 'windows-1251', 'shift_jis', 'gb18030']
const NAMES = ['x.json', 'x.jsonl', 'x', 'x.csv', 'x.json.gz']

function catalogText(roll: (sides: number) => number): string {
  const pick = () => VALUES[roll(VALUES.length)] ?? ''
  const rows = Array.from(
    { length: 1 + roll(6) },
    (_, n) => `{"id":${n},"title":${pick()},"more":{"a":[${pick()}]}${roll(5) === 0 ? `,"title":${pick()}` : ''}}`,
  )
  switch (roll(4)) {
    case 0:
      return rows.join('\n')
    case 1:
      return `[${rows.join(',')}]`
    case 2:
      return `[\n  ${rows.join(',\n  ')}\n]\n`
    default:
      return rows.map((row) => row.replace(/,"/g, ',\n  "')).join('\n')
  }
}

function mutated(bytes: Buffer, roll: (sides: number) => number): Buffer {
  let result = bytes
  for (let count = roll(4); count > 0; count--) {
    const at = roll(result.length + 1)
    const before = result.subarray(0, at)
    const behind = result.subarray(at)
    switch (roll(6)) {
      case 0:
        result = Buffer.concat([before, behind.subarray(1 + roll(3))])
        break
      case 1:
        result = Buffer.concat([before, Buffer.from(MARKS[roll(MARKS.length)] ?? ''), behind])
        break
      case 2:
        result = Buffer.concat([before, Buffer.from([roll(256)]), behind.subarray(1)])
        break
      case 3:
        result = before
        break
      case 4:
        result = Buffer.concat([before, result.subarray(roll(result.length + 1), roll(result.length + 1)), behind])
        break
      default:
        result = Buffer.concat([before, Buffer.from(MARKS[roll(MARKS.length)] ?? '')])
    }
  }
  return result
}

async function rowsOrRefusal(content: Buffer, roll: (sides: number) => number, encoding: string): Promise<LoadedRow[]> {
  try {
    const name = NAMES[roll(NAMES.length)]
    const options = roll(2) === 0 ? {} : { encoding }
    const catalog = await openText(content, name, 1 + roll(content.length + 1), options)
    return await all(compileRows({ catalog, template: roll(3) === 0 ? null : '{title}' }))
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    return []
  }
}

const solid = (text: string) => text.replace(/\s/g, '')

test('30,000 damaged catalogs are rows of what is in them, or one refusal', async () => {
  let rowsSeen = 0
  let requests = 0
  await fc.assert(
    fc.asyncProperty(fc.integer(), async (seed) => {
      const roll = dice(seed)
      const encoding = roll(3) === 0 ? (ENCODINGS[roll(ENCODINGS.length)] ?? '') : 'utf-8'
      const text = mutated(iconv.encode(catalogText(roll), encoding, { addBOM: roll(4) === 0 }), roll)
      const isPacked = roll(20) === 0
      const content = isPacked ? mutated(gzipSync(text, { level: 1, memLevel: 1 }), roll) : text
      const rows = await rowsOrRefusal(content, roll, encoding)
      const input = encoding === 'utf-8' && !isPacked ? solid(text.toString('utf8')) : null
      for (const [index, row] of rows.entries()) {
        rowsSeen++
        if (row.position !== index + 1 || (row.request === null) !== (row.problem !== null))
          throw new Error('not one row each')
        const value: unknown = JSON.parse(row.row)
        if (row.request === null) continue
        requests++
        const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
        if (isObject && input !== null && !input.includes(solid(row.row)))
          throw new Error(`${row.row} is not in the input`)
      }
    }),
    { numRuns: 30_000 },
  )
  // It would show nothing if all were refused.
  expect(rowsSeen).toBeGreaterThan(20_000)
  expect(requests).toBeGreaterThan(8_000)
}, 180_000)

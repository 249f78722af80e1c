import { Readable } from 'node:stream'
import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { LONGEST_LINE_BYTES, readBlocks } from '../../src/catalog/blocks.js'
import { openCatalog } from '../../src/catalog/open-catalog.js'
import { retainedBytes } from '../support/retained-memory.js'
import { all, each } from './reading.js'

test('blocks are whole lines, and nothing is lost between them', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.string({ unit: fc.constantFrom('a', 'é', '\n', '\r'), minLength: 1 })),
      async (texts) => {
        const pieces = texts.map((text) => Buffer.from(text))
        const blocks = (await all(readBlocks(each(pieces)))).map((block) => Buffer.isBuffer(block) && block.toString())
        expect(blocks.join('')).toBe(texts.join(''))
        for (const block of blocks.slice(0, -1)) expect(block).toMatch(/\n$/)
      },
    ),
  )
})

test.each([
  [LONGEST_LINE_BYTES, true],
  [LONGEST_LINE_BYTES + 1, false],
])('a line of %i bytes is kept: %j', async (bytes, isKept) => {
  for (const end of ['\n', '']) {
    const text = Buffer.from(`first\n${'x'.repeat(bytes)}${end}`)
    const pieces: Buffer[] = []
    for (let at = 0; at < text.length; at += 1_000_003) pieces.push(text.subarray(at, at + 1_000_003))
    if (end !== '') pieces.push(Buffer.from('last\n'))
    const blocks = await all(readBlocks(each(pieces)))
    const long = blocks.find((block) => !Buffer.isBuffer(block))
    expect(long).toEqual(isKept ? undefined : { line: 2, bytes, beginning: 'x'.repeat(200) })
    const kept = blocks.map((block) => (Buffer.isBuffer(block) ? block.length : 0)).reduce((sum, size) => sum + size)
    expect(kept).toBe(text.length + (end === '' ? 0 : 5) - (isKept ? 0 : bytes + end.length))
  }
})

test.each(['lines', 'list'])(
  '300 MB of JSON %s with rows of 15 and of 40 MB are read in little memory',
  async (layout) => {
    const isList = layout === 'list'
    const row = `{"title":"Harbour","note":"${'words '.repeat(40)}"}`
    const long = (megabytes: number) => `{"title":"Long","note":"${'y'.repeat(megabytes * 1024 * 1024)}"}`
    const separator = isList ? ',' : '\n'
    const block = `${row}${separator}`.repeat(1000)
    async function* chunks() {
      if (isList) yield Buffer.from('[')
      for (let n = 0; n < 1000; n++) {
        yield Buffer.from(block)
        if (n === 300) yield Buffer.from(`${long(15)}${separator}`)
        if (n === 600) yield Buffer.from(`${long(40)}${separator}`)
      }
      yield Buffer.from(isList ? `${row}]` : row)
    }
    const before = retainedBytes()
    let peak = 0
    let count = 0
    const problems: string[] = []
    const catalog = await openCatalog({ stream: Readable.from(chunks()), name: isList ? 'x.json' : 'x.jsonl' })
    for await (const each of catalog.rows()) {
      if (++count % 20_000 === 0) peak = Math.max(peak, retainedBytes())
      if (each.problem !== undefined) problems.push(each.problem)
    }
    expect(count).toBe(1_000_003)
    expect(problems).toEqual(['expected a row of at most 16 MB, found one of 40.0 MB'])
    expect(peak - before).toBeLessThan(100 * 1024 * 1024)
  },
)

import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { LONGEST_ROW_BYTES } from '../../src/catalog/catalog.js'
import { readJsonl } from '../../src/catalog/json/jsonl-rows.js'
import { all, each } from './reading.js'

test('wherever the text is cut, each line is one row and keeps its number', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.string({ unit: fc.constantFrom('a', 'é', '\n', '\r'), minLength: 1 })),
      async (texts) => {
        const rows = (await all(readJsonl(each(texts.map((text) => Buffer.from(text)))))).flat()
        const lines = texts.join('').split('\n')
        const expected = lines.flatMap((text, index) => (text.trim() === '' ? [] : [[index + 1, text.trim()]]))
        expect(rows.map((row) => [row.line, row.kind === 'broken' && JSON.parse(row.json)])).toEqual(expected)
      },
    ),
  )
})

test.each([
  [LONGEST_ROW_BYTES, true],
  [LONGEST_ROW_BYTES + 1, false],
])('a line of %i bytes is kept: %j', async (bytes, isKept) => {
  for (const end of ['\n', '']) {
    const text = Buffer.from(`{"n":1}\n"${'x'.repeat(bytes - 2)}"${end}`)
    const pieces: Buffer[] = []
    for (let at = 0; at < text.length; at += 1_000_003) pieces.push(text.subarray(at, at + 1_000_003))
    if (end !== '') pieces.push(Buffer.from('{"n":3}\n'))
    const rows = (await all(readJsonl(each(pieces)))).flat()
    expect(rows.map(({ line }) => line)).toEqual(end === '' ? [1, 2] : [1, 2, 3])
    const json = rows[1]?.kind === 'broken' ? rows[1].json : ''
    expect(json.length).toBe(isKept ? bytes : 203)
    expect(rows[1]?.problem).toContain(isKept ? 'found "xxx' : 'at most 16 MB, found one of 16.0 MB')
  }
})

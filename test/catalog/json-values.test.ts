import { gzipSync } from 'node:zlib'
import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { readJsonValues } from '../../src/catalog/json/json-values.js'
import { all, each, load, openText, rawRows, refusal } from './reading.js'

/** Cut between characters. */
function piecesOf(text: string, length: number): Buffer[] {
  const characters = [...text]
  const count = Math.ceil(characters.length / length)
  return Array.from({ length: count }, (_, n) => Buffer.from(characters.slice(n * length, (n + 1) * length).join('')))
}

/** The rows as [line, text or problem]. */
async function rows(text: string | Buffer, name = 'x.json', chunk?: number) {
  const catalog = await openText(text, name, chunk)
  return (await all(catalog.rows())).map((row) => {
    if (row.kind === 'object') expect(row.value).toEqual(JSON.parse(row.text))
    return [row.line, row.kind === 'object' ? row.text : row.kind === 'broken' ? row.problem : '']
  })
}
const BAD = expect.stringContaining('expected one JSON object, found what is not JSON')

describe('a JSON list is a catalog', () => {
  test.each(['x.json', 'x.jsonl', 'standard input'])('on one line, or over many, named %s', async (name) => {
    const expected = ['{"id":1,"title":"a]}"}', '{"id":2,"title":"b","n":{"x":[1.10,{}]}}']
    expect((await rows(`[${expected.join(',')}]`, name)).map(([, text]) => text)).toEqual(expected)
    expect(await rows(`\uFEFF [\n  ${expected.join(',\n  ')}\n]\n`, name)).toEqual([
      [2, expected[0]],
      [3, expected[1]],
    ])
    const pretty = JSON.stringify(
      expected.map((text) => JSON.parse(text)),
      null,
      2,
    )
    expect((await rows(pretty, name)).map(([line]) => line)).toEqual([2, 6])
  })

  test('an element over several lines goes out on one, with its digits and its strings as written', async () => {
    const text = '[\n  {\n    "id": 12345678901234567890,\r\n    "title" : "a  b\\n",\n    "n": [ 1.10, -0 ]\n  }\n]\n'
    expect(await rows(text)).toEqual([[2, '{"id":12345678901234567890,"title":"a  b\\n","n":[1.10,-0]}']])
    const [row] = await load(text, { name: 'x.json', template: '{n}' })
    expect([row?.key, row?.request?.request.query]).toEqual(['12345678901234567890', '1.10, -0'])
  })

  test('the plan can say so', async () => {
    expect((await openText('[{"id":1}]', 'x.json')).notes).toEqual(['a JSON list'])
    expect((await openText('{\n"id":1}\n{\n"id":2}', 'x.json')).notes).toEqual(['JSON objects over several lines'])
    expect((await openText(gzipSync('[{"id":1}]'), 'x.json.gz')).notes).toEqual(['gzip', 'a JSON list'])
    expect((await openText('{"id":1}\n', 'x.json')).notes).toEqual([])
  })

  test('several lists are one after another', async () => {
    expect(await rows('[{"id":1},{"id":2}]\n[{"id":3}]\n\n[\n{"id":4}]', 'x.jsonl')).toEqual([
      [1, '{"id":1}'],
      [1, '{"id":2}'],
      [2, '{"id":3}'],
      [5, '{"id":4}'],
    ])
  })

  test('objects one after another, over several lines', async () => {
    const text = '{\n  "id": 1\n}\n{ "id": 2 }\n\n{"id":3}{"id":4},\n{"id":\n5}'
    expect(await rows(text)).toEqual([
      [1, '{"id":1}'],
      [4, '{ "id": 2 }'],
      [6, '{"id":3}'],
      [6, '{"id":4}'],
      [7, '{"id":5}'],
    ])
  })

  test('the property: what is written in any layout is read, in any pieces', async () => {
    const value = fc.dictionary(fc.string({ maxLength: 4 }), fc.jsonValue({ maxDepth: 3 }), { maxKeys: 4 })
    await fc.assert(
      fc.asyncProperty(
        fc.array(value, { minLength: 1, maxLength: 6 }),
        fc.constantFrom(0, 1, 2, '\t'),
        fc.boolean(),
        fc.integer({ min: 1, max: 60 }),
        async (values, space, isList, chunk) => {
          const texts = values.map((each) => JSON.stringify(each, null, space))
          const text = isList ? JSON.stringify(values, null, space) : `{\n}\n${texts.join('\n')}`
          const found = (await rows(text, 'x.json', chunk)).map(([, row]) => JSON.parse(String(row)))
          expect(found).toEqual(JSON.parse(JSON.stringify(isList ? values : [{}, ...values])))
          const inPieces = await all(readJsonValues(each(piecesOf(text, chunk)), isList))
          const atOnce = await all(readJsonValues(each([Buffer.from(text)]), isList))
          expect(inPieces.flat()).toEqual(atOnce.flat())
          expect(inPieces.flat()).toHaveLength(found.length)
        },
      ),
      { numRuns: 300 },
    )
  })
})

describe('damage costs the element that it is in', () => {
  const good = (n: number) => `{"id":${n},"n":{"a":[1]}}`
  test.each([
    ['a word that is none', '{"id":2,"n":NaN}'],
    ['a comma too many', '{"id":2,,"n":{"a":[]}}'],
    ['a trailing comma', '{"id":2,}'],
    ['a missing colon', '{"id" 2}'],
    ['a bad escape', '{"id":"\\x"}'],
    ['another element', '[1,{"id":2}]'],
    ['a text', '"{}"'],
  ])('%s, on one line', async (_, bad) => {
    const found = await rows(`[${good(1)},${bad},${good(3)}]`)
    expect(found).toEqual([
      [1, good(1)],
      [1, expect.stringContaining('expected one JSON object, found ')],
      [1, good(3)],
    ])
  })

  test.each([
    ['a brace that is missing', '{"id":2,"n":{"a":1}'],
    ['a brace too many', '{"id":2}}'],
    ['a bracket that is missing', '{"id":2,"n":[1}'],
    ['a text without its end', '{"id":2,"n":"x}'],
    ['another bracket', '{"id":2,"n":[1}}'],
  ])('%s, with an element a line', async (_, bad) => {
    const found = await rows(`[\n${good(1)},\n${bad},\n${good(3)},\n${good(4)}\n]\n`)
    const intact = found.filter(([, text]) => [good(1), good(3), good(4)].includes(String(text)))
    expect(intact).toEqual([
      [2, good(1)],
      [4, good(3)],
      [5, good(4)],
    ])
    expect(found.filter(([line]) => line === 3).length).toBeGreaterThanOrEqual(1)
  })

  test('a brace that is missing, in a pretty list', async () => {
    const text = JSON.stringify([{ a: { b: 1 } }, { a: { b: 2 } }, { a: { b: 3 } }], null, 2).replace(
      '"b": 2\n    }',
      '"b": 2\n',
    )
    expect(await rows(text)).toEqual([
      [2, '{"a":{"b":1}}'],
      [7, BAD],
      [12, '{"a":{"b":3}}'],
    ])
  })

  test('an inner object is never taken for a row', async () => {
    for (const bad of [
      '{"a":{"b":1}},"c":{"title":"inner"}}',
      '{"tags":{"n":1},{"title":"inner"}],"x":1}',
      '"a":1,"c":{"title":"inner"}}',
      '{"a":[{"title":"inner"},{"title":"inner"}',
      '{"a":"x},{"title":"inner"}',
      'a:{"title":"inner"}',
      '{"a":1} "b" {"title":"inner"}',
    ]) {
      const found = await rawRows(`[{"title":"first"},${bad},{"title":"last"}]`, 'x.json')
      const titles = found.flatMap((row) => (row.kind === 'object' ? [row.value.title] : []))
      expect(titles.filter((title) => title !== 'first' && title !== 'last')).toEqual([])
    }
  })

  test.each([
    ['in an element', '[{"id":1},\n{"id":2,"x', '(up to the end of the file)'],
    ['between two', '[{"id":1},\n', 'expected ] after the last element of the list, found the end of the file'],
  ])('a list that is cut off %s says so', async (_, text, words) => {
    expect(await rows(text)).toEqual([
      [1, '{"id":1}'],
      [2, expect.stringContaining(words)],
    ])
  })
})

describe('one object that holds the list', () => {
  test.each([
    ['{"items":[{"id":1,"title":"a"},{"id":2,"title":"b"}]}', '.items[]'],
    [
      '{\n  "count": 2,\n  "data": {\n    "my tracks": [\n      {"title": "a"}\n    ]\n  }\n}\n',
      '.data["my tracks"][]',
    ],
  ])('%s is named with the way to its rows', async (text, path) => {
    const { name, message } = await refusal(() => load(text, { name: 'x.json' }))
    expect(name).toBe('CatalogError')
    expect(message).toContain(
      `found one object that holds a list under ${path.slice(0, -2)}. Convert it: jq -c '${path}' x.json`,
    )
  })

  test('also where it is too long to be one row', async () => {
    const text = `{\n"items": [\n${'{"title":"a"},\n'.repeat(30_000)}{"title":"b"}]}`
    const { message } = await refusal(() => openText(text, 'x.json'))
    expect(message).toContain("jq -c '.items[]' x.json")
  })

  test('a row may hold a list of objects', async () => {
    const [row] = await load('{"title":"x","artists":[{"name":"y"}]}\n', { name: 'x.jsonl' })
    expect(row?.request?.request.query).toBe('x music')
  })
})

describe('a value of more than 16 MB', () => {
  test.each([
    ['in a list', `[{"id":1},{"id":2,"x":"${'y'.repeat(17 * 1024 * 1024)}"},{"id":3}]`, 'x.json'],
    ['on a line', `{"id":1}\n{"id":2,"x":"${'y'.repeat(17 * 1024 * 1024)}"}\n{"id":3}\n`, 'x.jsonl'],
  ])('%s costs that row', async (_, text, name) => {
    const found = await rows(text, name, 300_000)
    expect(found.map(([, row]) => row)).toEqual([
      '{"id":1}',
      'expected a row of at most 16 MB, found one of 17.0 MB, cut to 200 characters in the export',
      '{"id":3}',
    ])
  })

  test.each(['x.json', 'x.jsonl'])('and of less is a row: %s', async (name) => {
    const long = `{"id":2,"x":"${'y'.repeat(15 * 1024 * 1024)}"}`
    const text = name === 'x.json' ? `[{"id":1},${long},{"id":3}]` : `{"id":1}\n${long}\n{"id":3}\n`
    const found = await rows(text, name, 100_000)
    expect(found.map(([, row]) => row === long || row)).toEqual(['{"id":1}', true, '{"id":3}'])
  })
})

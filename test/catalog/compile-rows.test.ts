import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { compileRows } from '../../src/catalog/compile-rows.js'
import { parseFilters } from '../../src/catalog/filters.js'
import { canonicalRequest, fingerprint } from '../../src/domain/request.js'
import { load, openText, refusal } from './reading.js'

const problems = async (...args: Parameters<typeof load>) => (await load(...args)).map((row) => row.problem)
const queries = async (...args: Parameters<typeof load>) =>
  (await load(...args)).map((row) => row.request?.request.query)

describe('a row becomes a request', () => {
  test('by the template, with its position, its id, its cells and the fingerprint of what is sent', async () => {
    const rows = await load('id,title,mood\nA7,Harbour at Dawn,calm\n', { template: '{title} {mood} music' })
    const request = canonicalRequest({ query: 'Harbour at Dawn calm music' })
    expect(rows).toEqual([
      {
        position: 1,
        line: 2,
        key: 'A7',
        row: '["A7","Harbour at Dawn","calm"]',
        request: { fingerprint: fingerprint(request), request },
        problem: null,
      },
    ])
  })

  test.each([
    ['{title} {mood} music', 'a b music'],
    ['{{{title}}} x', '{a} x'],
    ['{ title }', 'a'],
    ['{title}{title}', 'aa'],
  ])('the template %j', async (template, query) => {
    const text = 'title,mood\n"a ","\n b"\n'
    expect(await queries(text, { template })).toEqual([query])
  })

  test('an empty cell leaves no gap', async () => {
    expect(await queries('title,mood\nx,\n', { template: '{title} {mood} music' })).toEqual(['x music'])
  })

  test('limit and filters of the command go into every request', async () => {
    const [row] = await load('title\nx\n', { limit: 5, filters: parseFilters('{"moods":["b","a","b"],"other":1}') })
    expect(row?.request?.request).toEqual({
      query: 'x music',
      limit: 5,
      offset: 0,
      filters: { moods: ['a', 'b'], other: 1 },
    })
  })

  test('without a template, from the column query', async () => {
    expect(await queries('query\ncalm piano\n', { template: null })).toEqual(['calm piano'])
  })

  test('of JSONL: texts, numbers, booleans and lists fill a template, the row is kept as written', async () => {
    const text = '{"id": 7, "title":"x","tags":["a",2,true],"n":null}\n{"title":"y"}\n'
    const rows = await load(text, { name: 'x.jsonl', template: '{title} {tags} {n}' })
    expect(rows.map((row) => row.request?.request.query)).toEqual(['x a, 2, true', 'y'])
    expect(rows.map((row) => row.key)).toEqual(['7', null])
    expect(rows[0]?.row).toBe('{"id": 7, "title":"x","tags":["a",2,true],"n":null}')
  })

  test('of JSONL without a template: the row carries limit, offset and filters, which win over those of the command', async () => {
    const text = '{"query":"q","limit":3,"offset":40,"filters":{"moods":["x"]}}\n{"query":"r","limit":null}\n'
    const rows = await load(text, {
      name: 'x.jsonl',
      template: null,
      limit: 9,
      filters: { moods: ['y'], genres: ['g'] },
    })
    expect(rows.map((row) => row.request?.request)).toEqual([
      { query: 'q', limit: 3, offset: 40, filters: { genres: ['g'], moods: ['x'] } },
      { query: 'r', limit: 9, offset: 0, filters: { genres: ['g'], moods: ['y'] } },
    ])
  })

  test('rows that ask the same share a fingerprint', async () => {
    const rows = await load('id,title\n1,x\n2, x \n3,y\n')
    const [a, b, c] = rows.map((row) => row.request?.fingerprint)
    expect([a === b, a === c]).toEqual([true, false])
  })
})

describe('the id of a row', () => {
  test('is the column id, another by name, or none', async () => {
    const keys = async (text: string, idColumn?: string) => (await load(text, { idColumn })).map((row) => row.key)
    expect(await keys('title,id\nx, 7 \ny,\n')).toEqual(['7', null])
    expect(await keys('title,id,sku\nx,7,S1\n', 'sku')).toEqual(['S1'])
    expect(await keys('title\nx\n')).toEqual([null])
  })

  test('stays with a row of the wrong width', async () => {
    expect(await load('id,title\n7,x,y\n')).toMatchObject([{ key: '7', request: null }])
  })

  test.each([
    ['{"id":{"a":1},"title":"x"}', 'expected the id in id to be a text or a number, found an object'],
    ['{"id":true,"title":"x"}', 'found true'],
    ['{"id":"a\\u0000b","title":"x"}', 'expected an id of plain text in id, found the control character U+0000'],
  ])('%s has none', async (text, words) => {
    expect(await problems(text, { name: 'x.jsonl' })).toEqual([expect.stringContaining(words)])
  })
})

describe('a row that cannot become a request says so with its line', () => {
  test.each([
    ['id,title\n1,x\n2\n', 'line 3: expected text in {title}, found none'],
    ['id,title\n1,x\n2,y,z\n', 'line 3: expected 2 cells, found 3'],
    ['id,title\n1,x\n,\n', 'line 3: expected text in {title}, found none'],
    ['id,title\n1,"x\ny"\n2,"  "\n', 'line 4: expected text in {title}, found none'],
    [`id,title\n1,x\n2,${'x'.repeat(2001)}\n`, 'line 3: expected a query of at most 2000 characters, found 2007'],
    [
      `id,title\n${'0,x\n'.repeat(200)}2,a\u0000b\n`,
      'line 202: expected plain text in {title}, found the control character U+0000',
    ],
    ['id,title\n1,x\n2,"y\n', 'line 3: expected a closing quotation mark'],
    ['id,title\n1,x\n2,\u200b \u2060\u00ad\n', 'line 3: expected text in {title}, found none'],
  ])('CSV %#', async (text, problem) => {
    const found = await problems(text)
    expect(found.at(-1)).toContain(problem)
    expect(found.slice(0, -1).every((other) => other === null)).toBe(true)
  })

  test.each([
    ['{"title":', 'expected one JSON object, found what is not JSON: {"title":'],
    ['[1]', 'expected one JSON object, found [1]'],
    ['"x"', 'expected one JSON object, found "x"'],
    ['{"title":{"a":1}}', 'expected text, a number or a list of these in {title}, found an object'],
    ['{"title":[["a"]]}', 'expected text, a number or a list of these in {title}, found a list'],
    ['{"title":""}', 'expected text in {title}, found none'],
    ['{"title":"\\ud800"}', 'expected plain text in {title}, found half of a character (U+D800'],
    ['{"title":"a","title":"b"}', 'expected one value for the key "title", found two'],
    ['{"title":"a","t\\u0069tle":"b"}', 'expected one value for the key "title", found two'],
    [`{"title":1.10,"deep":${'['.repeat(20_000)}${']'.repeat(20_000)}}`, 'found one nested too deep'],
    ['{"toString":1}', 'expected text in {title}, found none'],
  ])('JSONL %s', async (line, problem) => {
    const rows = await load(`{"title":"x"}\n\n${line}\n`, { name: 'x.jsonl' })
    expect(rows).toHaveLength(2)
    expect(rows[1]).toMatchObject({ position: 2, request: null, problem: expect.stringContaining(`line 3: `) })
    expect(rows[1]?.problem).toContain(problem)
    expect(() => JSON.parse(rows[1]?.row ?? '')).not.toThrow()
  })

  test.each([
    ['{"q":1}', 'expected query to be a text, found nothing'],
    ['{"query":"  "}', 'expected a query, found an empty one'],
    ['{"query":" \\u200b\\ufeff "}', 'expected a query, found an empty one'],
    ['{"query":"x","limit":0}', 'expected limit to be a whole number from 1 to 100, found 0'],
    ['{"query":"x","limit":"20"}', 'found "20"'],
    ['{"query":"x","offset":-1}', 'expected offset to be a whole number from 0, found -1'],
    ['{"query":"x","filters":[]}', 'expected filters to be a JSON object, found an empty list'],
    ['{"query":"x","filters":{"genres":"pop"}}', 'expected the filter genres to be a list of texts, found "pop"'],
    ['{"query":"x","filters":{"moods":[1]}}', 'expected the filter moods to be a list of texts, found a list'],
    ['{"query":"x","filters":{"has_vocals":"no"}}', 'expected the filter has_vocals to be true or false, found "no"'],
    ['{"query":"x","filters":{"min_bpm":39}}', 'expected the filter min_bpm to be a number from 40 to 200, found 39'],
    ['{"query":"x","filters":{"max_bpm":90}}', 'expected min_bpm to be at most max_bpm, found 100 and 90'],
    [`{"query":"x","filters":{"deep":${'['.repeat(9)}${']'.repeat(9)}}}`, 'nested too deep'],
  ])('its own request: %s', async (line, problem) => {
    const options = { name: 'x.jsonl', template: null, filters: { min_bpm: 100 } }
    const found = await problems(`{"query":"x"}\n${line}\n`, options)
    expect(found).toEqual([null, expect.stringContaining(`line 2: `)])
    expect(found[1]).toContain(problem)
  })
})

describe('a command that does not fit the catalog is refused before the first row', () => {
  test.each([
    [{ template: '{titel} music' }, 'Did you mean "title"? The columns are: id, title, mood.'],
    [{ template: '{zzz}' }, 'The query template names the column "zzz"'],
    [{ template: '{title music' }, 'without its partner'],
    [{ template: 'title}' }, 'without its partner'],
    [{ template: 'calm music' }, 'names no column'],
    [{ template: '' }, 'names no column'],
    [{ template: null }, 'For example: --query "{title} music"'],
    [{ idColumn: 'ids' }, '--id names the column "ids", which the catalog does not have. Did you mean "id"?'],
    [{ limit: 101 }, 'expected limit to be a whole number from 1 to 100, found 101'],
    [{ limit: 1.5 }, 'expected limit'],
    [{ filters: { has_vocals: 1 } }, 'expected the filter has_vocals'],
  ])('%j', async (rules, words) => {
    const catalog = await openText('id,title,mood\n1,x,y\n')
    const { name, message } = await refusal(async () => compileRows({ catalog, template: '{title}', ...rules }))
    expect(name).toBe('UsageError')
    expect(message).toContain(words)
  })

  test('the example of a query names no column of an earlier export', async () => {
    const catalog = await openText('position,id,row,trackyard_moods\n1,,{},calm\n')
    const { message } = await refusal(async () => compileRows({ catalog, template: null }))
    expect(message).toContain('For example: --query "{position} music"')
  })

  test.each([
    ['{', "expected JSON such as '{"],
    ['[]', 'expected filters to be a JSON object, found an empty list'],
    ['{"min_bpm":120,"max_bpm":80}', 'expected min_bpm to be at most max_bpm'],
  ])('--filters %s', (text, words) => {
    expect(() => parseFilters(text)).toThrow(words)
  })
})

test('every record has one row, in order, with a request or a problem and never both', async () => {
  const cell = fc.string({ unit: fc.constantFrom('a', 'ü', '"', ',', '\n', ' ', '\u0001'), maxLength: 6 })
  await fc.assert(
    fc.asyncProperty(fc.array(cell, { maxLength: 12 }), async (cells) => {
      const text = `id,title\n0,x\n${cells.join('')}`
      const records = await load(text)
      expect(records.map((row) => row.position)).toEqual(records.map((_, index) => index + 1))
      for (const row of records) expect((row.request === null) === (row.problem !== null)).toBe(true)
    }),
  )
})

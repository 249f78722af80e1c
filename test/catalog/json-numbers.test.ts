import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { isLosslessNumber } from 'lossless-json'
import { parseFilters } from '../../src/catalog/filters.js'
import { exactRows, onOneLine, parseExactly } from '../../src/catalog/json/exact-json.js'
import { csvBatch, exportRow, exportText } from './exporting.js'
import { load, refusal } from './reading.js'

const json = { name: 'x.jsonl' }
const queries = async (...args: Parameters<typeof load>) =>
  (await load(...args)).map((row) => row.request?.request.query ?? row.problem)

describe('numbers keep the digits that they are written with', () => {
  test.each([
    '1610521604143693812',
    '9007199254740993',
    '-9007199254740993',
    '1e400',
    '-1E+400',
    '1E5',
    '1.10',
    '1.0',
    '-0',
    '-0.0',
    '0.1000000000000000055',
    '0.12345678901234567890',
    '0.0000001',
    '100000000000000000000000',
  ])('%s is a query and an id', async (digits) => {
    const [row] = await load(`{"id":${digits},"title":[${digits}, {"$numberDouble":"7"}]}\n`, {
      ...json,
      template: '{title} {id}',
    })
    expect([row?.key, row?.request?.request.query]).toEqual([digits, `${digits}, 7 ${digits}`])
    expect(row?.row).toContain(`"id":${digits},`)
  })

  test('the property: every number of any JSON text is the number or its own text', () => {
    const number = fc.oneof(
      fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
      fc.bigInt({ min: -(10n ** 24n), max: 10n ** 24n }).map(String),
      fc.stringMatching(/^-?(0|[1-9]\d{0,18})(\.\d{1,18})?([eE][+-]?\d{1,3})?$/),
    )
    const text = fc.oneof(
      fc.json().map((value) => JSON.stringify(value)),
      fc.stringMatching(/^[ \\":,[\]\d.eE-]{0,12}$/).map((value) => JSON.stringify(value)),
    )
    const pair = fc.tuple(text, fc.constantFrom('', ' ', '\n\t'), number)
    fc.assert(
      fc.property(fc.array(pair, { maxLength: 6 }), (pairs) => {
        const written = `{${pairs.map(([key, space, digits], n) => `${key.replace('"', `"${n}`)}:${space}${digits}`).join(`,`)}}`
        const values = Object.values(parseExactly(written).value as object)
        const expected = Object.values(JSON.parse(written) as object)
        expect(values.map((value) => (isLosslessNumber(value) ? value.value : String(value))).sort()).toEqual(
          pairs.map(([, , digits]) => digits).sort(),
        )
        expect(values.map((value) => (isLosslessNumber(value) ? Number(value.value) : value))).toEqual(expected)
        expect(JSON.parse(onOneLine(written))).toEqual(JSON.parse(written))
      }),
      { numRuns: 3000 },
    )
  })

  test('the property: the values that are used are exact, whichever parser has read the row', () => {
    const number = fc.oneof(
      fc.stringMatching(/^-?(0|[1-9]\d{0,17})(\.\d{1,9})?([eE][+-]?\d{1,3})?$/),
      fc.constantFrom('-0', '0.0000001', '1.0', '12', '-7.5'),
    )
    const text = fc.stringMatching(/^[ \\":,[\]\d.eE-]{0,8}$/).map((value) => JSON.stringify(value))
    const value = fc.oneof(
      number,
      text,
      fc.constantFrom('null', 'true', '{}', '[]'),
      fc.tuple(number, text).map((pair) => `[${pair}]`),
    )
    const key = fc.constantFrom('"id"', '"title"', '"\\u0069d"', '"a\\"id"', '"x"', '"t.*"')
    const space = fc.constantFrom('', ' ', '  ', '\t')
    const used = ['id', 'title', 't.*']
    const exact = exactRows(used)
    fc.assert(
      fc.property(fc.array(fc.tuple(key, space, value, space), { maxLength: 5 }), (members) => {
        const row = `{${members.map(([name, before, digits, behind]) => `${name}${before}:${behind}${digits}`).join(',')}}`
        const found = exact({ kind: 'object', line: 1, text: row, value: JSON.parse(row) })
        const { value: expected, repeated } = parseExactly(row)
        expect(found.problem !== undefined).toBe(used.some((name) => repeated.has(name)))
        const pick = (object: object) => used.map((name) => Object.entries(object).find(([each]) => each === name))
        expect(pick(found.kind === 'object' ? found.value : {})).toEqual(pick(expected as object))
      }),
      { numRuns: 10_000 },
    )
  })

  test('what holds no such number is read as JSON.parse reads it', () => {
    fc.assert(
      fc.property(fc.json({ noUnicodeString: false, maxDepth: 4 }), (text) => {
        expect(
          JSON.stringify(parseExactly(text).value, (_, value) =>
            isLosslessNumber(value) ? Number(value.value) : value,
          ),
        ).toBe(JSON.stringify(JSON.parse(text)))
      }),
      { numRuns: 3000 },
    )
  })

  test('two numbers that JavaScript holds as one are two searches', async () => {
    const text = ['9007199254740992', '9007199254740993', '1.1', '1.10', '1e400', '2e400', '0', '-0']
      .map((digits, n) => `{"id":${n},"title":${digits}}\n`)
      .join('')
    const rows = await load(text, json)
    expect(new Set(rows.map((row) => row.request?.fingerprint)).size).toBe(8)
  })

  test('a row goes out with the digits that it came with', async () => {
    const text = '{"id":1.10,"n":[-0,1E5 , 12345678901234567890],"title":"x"}'
    const [row] = await load(`${text}\n`, json)
    const exported = exportRow(1, row?.row ?? '', { status: 'waiting' })
    const batch = { ...csvBatch, format: 'jsonl' as const }
    expect(await exportText([exported], batch, 'jsonl')).toContain(`"row":${text}}\n`)
  })
})

describe('the numbers of a request', () => {
  const own = async (fields: string) => {
    const [row] = await load(`{"query":"q",${fields}}\n`, { ...json, template: null })
    return row?.problem ?? row?.request?.request
  }

  test('are sent where they are the same number in plain writing', async () => {
    expect(await own('"limit":2e1,"offset":40.0,"filters":{"min_bpm":1.20e2,"x":[1.10,{"y":0.50}],"z":-0}')).toEqual({
      query: 'q',
      limit: 20,
      offset: 40,
      filters: { min_bpm: 120, x: [1.1, { y: 0.5 }], z: -0 },
    })
  })

  test.each([
    ['"limit":20.00000000000000000001', 'limit to be a whole number from 1 to 100, found 20.00000000000000000001'],
    ['"limit":1e400', 'found 1e400'],
    ['"offset":9007199254740993', 'offset to be a whole number from 0, found 9007199254740993'],
    ['"filters":{"x":9007199254740993}', 'that can be sent unchanged, found 9007199254740993'],
    ['"filters":{"x":[{"y":1e400}]}', 'that can be sent unchanged, found 1e400'],
    ['"filters":{"min_bpm":120.00000000000000001}', 'that can be sent unchanged, found 120.00000000000000001'],
    ['"filters":1e400', 'expected filters to be a JSON object, found 1e400'],
    [`"filters":{"x":1.10,"deep":${'['.repeat(3000)}${']'.repeat(3000)}}`, 'nested too deep'],
  ])('%s is a problem of the row, with the digits as written', async (fields, words) => {
    expect(await own(fields)).toContain(words)
  })

  test('--filters refuses a number that would be sent as another', () => {
    expect(parseFilters('{"x":1.10}')).toEqual({ x: 1.1 })
    expect(() => parseFilters('{"x":9007199254740993}')).toThrow('that can be sent unchanged, found 9007199254740993')
  })
})

describe('what MongoDB wraps is a text', () => {
  test.each([
    ['{"$oid":"64b0"}', '64b0'],
    ['{"$numberLong":"9007199254740993"}', '9007199254740993'],
    ['{"$numberDecimal":"1.10"}', '1.10'],
    ['{"$date":"2024-01-01T00:00:00Z"}', '2024-01-01T00:00:00Z'],
    ['{"$date":{"$numberLong":"1577836800000"}}', '1577836800000'],
    ['{"$uuid":"3b24"}', '3b24'],
  ])('%s', async (value, text) => {
    const [row] = await load(`{"_id":${value},"title":"x"}\n`, { ...json, template: '{_id}', idColumn: '_id' })
    expect([row?.key, row?.request?.request.query]).toEqual([text, text])
  })

  test('an object that only looks like it is none', async () => {
    const text =
      '{"id":1,"title":{"$oid":"a","more":1}}\n{"id":2,"title":{"oid":"a"}}\n{"id":{"$oid":{}},"title":"x"}\n'
    expect(await queries(text, json)).toEqual([
      expect.stringContaining('found an object'),
      expect.stringContaining('found an object'),
      expect.stringContaining('the id in id'),
    ])
  })
})

describe('a key that comes late', () => {
  const early = Array.from({ length: 150 }, (_, n) => `{"id":${n},"title":"T${n}"}\n`).join('')

  test('of the template, of --id, of the rows’ own query', async () => {
    const template = await queries(`${early}{"id":"z","mood":"dark"}\n`, { ...json, template: '{mood}' })
    expect(template.filter((query) => query === 'dark')).toHaveLength(1)
    expect(template[0]).toBe('line 1: expected text in {mood}, found none')
    const ids = await load(`${early}{"sku":"z","title":"x"}\n`, { ...json, idColumn: 'sku' })
    expect(ids.map((row) => row.key).filter((key) => key !== null)).toEqual(['z'])
    const own = await queries(`${early}{"query":"calm piano"}\n`, { ...json, template: null })
    expect([own[0], own.at(-1)]).toEqual(['line 1: expected query to be a text, found nothing', 'calm piano'])
  })

  test('an id without being named', async () => {
    const rows = await load(`${early.replaceAll(/"id":\d+,/g, '')}{"id":"late","title":"x"}\n`, json)
    expect(rows.map((row) => row.key).filter((key) => key !== null)).toEqual(['late'])
  })

  test.each([
    [
      { template: '{titel}' },
      'The query template names the column "titel", which the catalog does not have. Did you mean "title"?',
    ],
    [{ template: '{title}', idColumn: 'sku' }, '--id names the column "sku", which the catalog does not have.'],
    [{ template: null }, 'expected --query with a template'],
  ])('that comes never is a mistake of the command: %j', async (rules, words) => {
    const { name, message } = await refusal(() => load(early, { ...json, ...rules }))
    expect([name, message]).toEqual(['UsageError', expect.stringContaining(words)])
  })
})

test('a filter that a row has twice is its problem', async () => {
  const own = (filters: string) => queries(`{"query":"q","filters":${filters}}\n`, { ...json, template: null })
  expect(await own('{"min_bpm":100,"min_bpm":120}')).toEqual([
    'line 1: expected one value for the key "min_bpm", found two',
  ])
  expect(await own('{"min_bpm":100,"min_bpm":100}')).toEqual(['q'])
  expect(await own('{"moods":["min_bpm"],"min_bpm":100}')).toEqual(['q'])
})

test('a key that a row has twice matters where it is used, and where the values differ', async () => {
  const text =
    '{"id":1,"title":"a","x":1,"x":2}\n{"id":2,"title":"b","title":"b"}\n{"id":3,"id":4,"title":"c"}\n{"id":5,"title":"e","album":{"title":"f"}}\n{"id":6.0,"title":"g","value":1,"value":2}\n'
  expect(await queries(text, json)).toEqual([
    'a music',
    'b music',
    'line 3: expected one value for the key "id", found two',
    'e music',
    'g music',
  ])
})

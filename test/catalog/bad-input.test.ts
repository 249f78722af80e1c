import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { compileRows } from '../../src/catalog/compile-rows.js'
import { parseFilters } from '../../src/catalog/filters.js'
import { UsageError } from '../../src/domain/errors.js'
import { canonicalRequest, fingerprint } from '../../src/domain/request.js'
import { anyCharacter } from '../support/any-character.js'
import { all, openText } from './reading.js'

/** What is thrown must be a usage error with a sentence; anything else fails the property. */
async function resultOrRefusal<T>(work: () => Promise<T> | T): Promise<T | null> {
  try {
    return await work()
  } catch (error) {
    expect(error).toBeInstanceOf(UsageError)
    expect((error as UsageError).message).toMatch(/expected|names|without its partner/)
    return null
  }
}

/** Mostly text with the marks that mean something to a reader, sometimes anything at all. */
const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 400 }).map((array) => Buffer.from(array)),
  fc
    .string({
      unit: fc.constantFrom(
        '"',
        ',',
        ';',
        '\t',
        '\n',
        '\r',
        '{',
        '}',
        '[',
        ':',
        'a',
        'id',
        '\u0000',
        '\uFEFF',
        '🎬',
        '\x1B',
      ),
      maxLength: 120,
    })
    .map((text) => Buffer.from(text)),
  fc.json().map((text) => Buffer.from(`${text}\n`)),
)
const fileName = fc.constantFrom('x.csv', 'x.tsv', 'x.jsonl', 'x.json', 'x', 'standard input')

test('any bytes under any name are rows with a request or a problem each, or one refusal', async () => {
  await fc.assert(
    fc.asyncProperty(bytes, fileName, fc.integer({ min: 1, max: 64 }), async (content, name, chunk) => {
      await resultOrRefusal(async () => {
        const catalog = await openText(content, name, chunk)
        const rows = await all(compileRows({ catalog, template: `{${catalog.names[0] ?? 'x'}}` }))
        for (const row of rows) {
          expect((row.request === null) === (row.problem !== null)).toBe(true)
          expect(() => JSON.parse(row.row)).not.toThrow()
        }
      })
    }),
    { numRuns: 400 },
  )
})

const word = fc.constantFrom(
  'title',
  'mood',
  'tags',
  'nope',
  '',
  ' ',
  '__proto__',
  'constructor',
  'ü',
  '🎬',
  '\n',
  '\u0000',
  '\uD800',
)
const brace = fc.constantFrom('{', '}', '{{', '}}')
const template = fc.oneof(
  fc.string({ unit: anyCharacter, maxLength: 30 }),
  fc
    .array(
      fc.oneof(
        word,
        brace,
        word.map((name) => `{${name}}`),
      ),
      { maxLength: 8 },
    )
    .map((parts) => parts.join('')),
)
const CATALOGS = [
  { text: 'id,title,mood\n1,x,y\n2,,\n', name: 'x.csv' },
  { text: '{"title":"x","tags":["a",{"b":1}],"__proto__":3}\n{"title":{"mood":1}}\n', name: 'x.jsonl' },
]

test('any template is a query of plain text for every row or the row’s problem, or one refusal', async () => {
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...CATALOGS), template, async ({ text, name }, source) => {
      const catalog = await openText(text, name)
      const rows = await resultOrRefusal(async () => all(compileRows({ catalog, template: source })))
      for (const { request, problem } of rows ?? []) {
        if (request === null) expect(problem).toMatch(/^line \d+: expected /)
        else expect(request.request.query).toMatch(/^[^\p{Cc}\p{Cs}]{1,2000}$/u)
      }
    }),
    { numRuns: 400 },
  )
})

const NAMES = ['genres', 'moods', 'has_vocals', 'min_bpm', 'max_bpm', '__proto__', 'toString', 'other']
const filters = fc.oneof(
  fc.dictionary(fc.oneof(fc.constantFrom(...NAMES), fc.string({ maxLength: 4 })), fc.jsonValue({ maxDepth: 8 })),
  fc.record({
    min_bpm: fc.oneof(fc.integer({ min: 30, max: 210 }), fc.double()),
    max_bpm: fc.integer({ min: 30, max: 210 }),
  }),
  fc.record({ genres: fc.array(fc.string({ maxLength: 3 })), has_vocals: fc.boolean() }),
  fc.jsonValue(),
)

test('any filters, of a command or of a row, are sent as they are said, or are a refusal or that row’s problem', async () => {
  await fc.assert(
    fc.asyncProperty(filters, async (value) => {
      const said = JSON.stringify(value)
      const parsed = await resultOrRefusal(() => parseFilters(said))
      const catalog = await openText(`{"query":"q","filters":${said}}\n`, 'x.jsonl')
      const [row] = await all(compileRows({ catalog, template: null }))
      // A row that says null says nothing; for the command it is a slip.
      if (value === null) return expect(row?.problem).toBeNull()
      expect(row?.problem === null).toBe(parsed !== null)
      if (parsed === null) return
      const request = canonicalRequest({ query: 'q', filters: parsed })
      expect(row?.request).toEqual({ fingerprint: fingerprint(request), request })
      expect(Object.keys(request.filters ?? {}).sort()).toEqual(Object.keys(parsed).sort())
    }),
    { numRuns: 300 },
  )
})

test('any text behind --filters is an object or a refusal', async () => {
  await fc.assert(
    fc.asyncProperty(fc.oneof(fc.string({ unit: anyCharacter }), fc.json()), async (text) => {
      const parsed = await resultOrRefusal(() => parseFilters(text))
      if (parsed !== null) expect(JSON.parse(text)).toEqual(parsed)
    }),
    { numRuns: 300 },
  )
})

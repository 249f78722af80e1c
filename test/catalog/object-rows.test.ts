import { Readable } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, test } from '@jest/globals'
import { stringify } from 'lossless-json'
import type { Catalog } from '../../src/catalog/catalog.js'
import { compileRows } from '../../src/catalog/compile-rows.js'
import { openObjects } from '../../src/catalog/object-rows.js'
import { openCatalog } from '../../src/catalog/open-catalog.js'
import type { LoadedRow } from '../../src/domain/request.js'

const TEMPLATE = '{title} {mood} music'

async function compiled(catalog: ReturnType<typeof openObjects>, template: string | null): Promise<LoadedRow[]> {
  const rows: LoadedRow[] = []
  for await (const row of compileRows({ catalog: await catalog, template })) rows.push(row)
  return rows
}

const ODD: readonly object[] = [
  { id: 'a', title: 'Harbor', mood: 'calm' },
  { id: 7, title: 'Harbor', mood: null, note: undefined, extra: { deep: [1, 2] } },
  { id: 9007199254740993n, title: 1.5, mood: true },
  { title: new Date(0), mood: ['calm', 'slow'] },
  { title: Number.NaN, mood: -0 },
  { toJSON: () => ({ id: 'j', title: 'From JSON', mood: 'x' }) },
  { id: 'a', title: 'repeated id', mood: '' },
  { title: { $oid: '64b0' }, mood: 12345678901234567890n },
]

describe('a script’s objects', () => {
  test('become what a JSON Lines file of them becomes', async () => {
    const file = ODD.map((row) => `${stringify(row)}\n`).join('')
    const expected = await compiled(
      openCatalog({ stream: Readable.from([file]), name: 'rows' }, { format: 'jsonl' }),
      TEMPLATE,
    )
    const inWords = expected.map((row) => ({
      ...row,
      line: null,
      problem: row.problem?.replace(/^line/, 'row') ?? null,
    }))
    expect(await compiled(openObjects(ODD, 'rows'), TEMPLATE)).toEqual(inWords)
    expect(expected[2]).toMatchObject({ key: '9007199254740993' })
  })

  test('may be one object that changes from row to row', async () => {
    async function* reused() {
      const row = { id: '', query: '' }
      for (const n of [1, 2, 3]) yield Object.assign(row, { id: `r${n}`, query: `scene ${n}` })
    }
    const rows = await compiled(openObjects(reused(), 'rows'), null)
    expect(rows.map(({ key, request }) => [key, request?.request.query])).toEqual([
      ['r1', 'scene 1'],
      ['r2', 'scene 2'],
      ['r3', 'scene 3'],
    ])
  })

  test('are named by rows and properties in messages', async () => {
    const rows = [{ title: 'Harbor' }, { title: 7, id: {} }]
    await expect(compiled(openObjects(rows, 'rows'), '{titel}')).rejects.toThrow(
      'The query template names the property "titel", which no row has. Did you mean "title"? The properties are: title, id.',
    )
    await expect(compiled(openObjects(rows, 'rows'), null)).rejects.toThrow(
      'expected the option query with a template, since there is no property "query".',
    )
    await expect(compiled(openObjects(rows, 'rows'), 'music')).rejects.toThrow('names no property')
    const [, second] = await compiled(openObjects(rows, 'rows'), '{title}')
    expect(second?.problem).toMatch(/^row 2: expected the id in id to be a text or a number/)
  })

  test('that are no objects are invalid rows; the rest goes on', async () => {
    const rows = await compiled(openObjects([null, { query: 'calm' }, 'text', [1], undefined], 'rows'), null)
    expect(rows.map(({ problem }) => problem === null)).toEqual([false, true, false, false, false])
    await expect(openObjects([null, 'text'], 'rows')).rejects.toThrow('Expected objects as rows, found none')
    await expect(openObjects([], 'rows')).rejects.toThrow('Expected rows, found none')
  })

  test('of more than 16 MB are invalid rows', async () => {
    const rows = await compiled(openObjects([{ query: 'calm' }, { query: 'x'.repeat(17 * 1024 * 1024) }], 'rows'), null)
    expect(rows[1]?.problem).toMatch(/expected a row of at most 16 MB, found one of 17\.0 MB/)
  })
})

describe('a generator of rows is ended', () => {
  const ended = async (
    rows: (catalog: () => Promise<Catalog>) => Promise<unknown>,
    row: object | null = { title: 'x' },
  ) => {
    let isEnded = false
    async function* source() {
      try {
        for (;;) yield row
      } finally {
        isEnded = true
      }
    }
    await rows(() => openObjects(source(), 'rows'))
    await turn()
    return isEnded
  }

  test('when the catalog is closed before its rows are read', async () => {
    expect(await ended(async (open) => (await open()).close())).toBe(true)
  })

  test.each([1, 100, 101])('when its reader stops after %i rows', async (count) => {
    const readSome = async (open: () => Promise<Catalog>) => {
      let read = 0
      for await (const _ of (await open()).rows()) if (++read === count) break
    }
    expect(await ended(readSome)).toBe(true)
  })

  test('when none of its first rows is an object', async () => {
    expect(await ended((open) => expect(open()).rejects.toThrow('Expected objects as rows'), null)).toBe(true)
  })
})

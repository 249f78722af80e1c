import { Readable } from 'node:stream'
import { describe, expect, test } from '@jest/globals'
import type { RawRow } from '../../src/catalog/catalog.js'
import { openCatalog } from '../../src/catalog/open-catalog.js'
import { all, load, rawRows } from './reading.js'

const MB = 1024 * 1024
/** Lines that look like rows of a catalog with these two columns. */
const ROWLIKE = '77,a row inside a cell\n'
const cellOf = (bytes: number) => ROWLIKE.repeat(Math.ceil(bytes / ROWLIKE.length)).slice(0, bytes)

describe('a quoted cell over many lines', () => {
  test.each([1.3, 3, 15.9])('of %d MB is one row whole, and the rows around it are read', async (megabytes) => {
    const cell = cellOf(Math.floor(megabytes * MB))
    const rows = await rawRows(`id,title\n1,a\n2,"${cell}"\n3,c\n`)
    expect(rows.map(({ kind, line }) => [kind, line])).toEqual([
      ['cells', 2],
      ['cells', 3],
      ['cells', 4 + cell.split('\n').length - 1],
    ])
    expect(rows[1]?.kind === 'cells' && rows[1].cells[1] === cell).toBe(true)
  })

  test('of 16 MB exactly is whole; with one byte more its row alone is invalid, with its size', async () => {
    const exact = await rawRows(`id,title\n1,"${cellOf(16 * MB)}"\n2,b\n`)
    expect(exact.map((row) => row.kind)).toEqual(['cells', 'cells'])
    const over = await load(`id,title\n1,"${cellOf(16 * MB + 1)}"\n2,b\n`)
    expect(over.map((row) => row.request?.request.query ?? row.problem)).toEqual([
      expect.stringMatching(
        /^line 2: expected a row of at most 16 MB, found one of 16\.0 MB over \d+ lines, cut to 200 characters in the export$/,
      ),
      'b music',
    ])
    expect(over[0]?.row.length).toBeLessThan(1000)
  })

  test('of 40 MB costs its own row, whatever its lines look like, before and behind others', async () => {
    const cell = cellOf(40 * MB)
    const rows = await load(`id,title\n1,a\n2,"${cell}"\n3,c\n4,"${cell}"\n`)
    expect(rows.map((row) => row.request?.request.query ?? row.problem?.replace(/\d{4,}/, 'N'))).toEqual([
      'a music',
      'line 3: expected a row of at most 16 MB, found one of 40.0 MB over N lines, cut to 200 characters in the export',
      'c music',
      expect.stringContaining('expected a row of at most 16 MB, found one of 40.0 MB'),
    ])
  })

  test('a line over 16 MB without quotation marks costs its own row', async () => {
    const rows = await load(`id,title\n1,${'x'.repeat(17 * MB)}\n2,b\n`)
    expect(rows.map((row) => row.request?.request.query ?? row.problem)).toEqual([
      'line 2: expected a row of at most 16 MB, found one of 17.0 MB, cut to 200 characters in the export',
      'b music',
    ])
  })
})

describe('a stray quotation mark', () => {
  test.each([2, 20])('costs one row of a file of %d MB without another mark', async (megabytes) => {
    const line = `77,${'a row of its own '.repeat(20)}\n`
    const count = Math.ceil((megabytes * MB) / line.length)
    const rows = await load(`id,title\n1,"stray\n${line.repeat(count)}2,end\n`)
    expect(rows).toHaveLength(count + 2)
    expect(rows[0]?.problem).toBe('line 2: expected a closing quotation mark, found none before the end of the file')
    expect(rows[0]?.row).toBe('["1,\\"stray"]')
    expect(rows.slice(1).every(({ request }) => request !== null)).toBe(true)
    expect(rows.at(-1)).toMatchObject({ line: count + 3, key: '2', request: { request: { query: 'end music' } } })
  })

  test('before quoted cells costs one row, on every line of many', async () => {
    const count = 50_000
    const rows = await rawRows(`id,title\n${'1,"stray\n2,"quoted, well"\n'.repeat(count)}`)
    expect(rows).toHaveLength(2 * count)
    expect(rows.every(({ kind, line }) => kind === (line % 2 === 0 ? 'broken' : 'cells'))).toBe(true)
  })

  test.each([
    ['on the next line', '2,"Harbour,calm\n3,"Night Train,sad', [3, 4]],
    ['before a space', '2,"Harbour,calm\n3," Night Train,sad', [3, 4]],
    ['behind short rows', '2,"Harbour,calm\n3,Short\n4,Short\n5,"Night Train,sad', [3, 6]],
    ['in a short row', '2,"Harbour\n3,"Night Train', [3, 4]],
    ['before a line', '"2,Harbour,calm\n"3,Night Train,sad', [3, 4]],
    ['in a later cell', '2,Harbour,"calm\n3,"Night Train,sad', [3, 4]],
    ['a sign for inches', '2,"Harbour,calm\n3,27" screen,sad', [3]],
  ])('costs its own row where the next one is %s', async (_, lines, broken) => {
    const text = `id,title,mood\n1,Foo,calm\n${lines}\n9,Qux,sad\n`
    const rows = await rawRows(text)
    const all = text.split('\n').slice(1, -1)
    expect(rows.map(({ line }) => line)).toEqual(all.map((__, index) => index + 2))
    expect(rows.filter(({ kind }) => kind === 'broken').map(({ line }) => line)).toEqual(broken)
  })

  test('costs its own row on each of 20,000 lines', async () => {
    const lines = Array.from({ length: 20_000 }, (_, index) => `${index},"Song ${index},calm\n`)
    const rows = await rawRows(`id,title,mood\n${lines.join('')}`)
    expect(rows.map(({ line }) => line)).toEqual(lines.map((_, index) => index + 2))
    expect(rows.every(({ kind }) => kind === 'broken')).toBe(true)
  })

  test('a proper cell over lines may have a cell with marks in its text behind it', async () => {
    const rows = await rawRows('title,mood\n"two\nlines" ,"Al"s Parody\n')
    expect(rows).toMatchObject([{ kind: 'cells', cells: ['two\nlines ', 'Als Parody'] }])
  })

  test('a proper cell over lines with a mark in its text is one row, where its lines are none', async () => {
    const rows = await rawRows('id,title,mood\n1,"one line\nsaid "hi" to",calm\n2,b,dark\n')
    expect(rows).toMatchObject([
      { kind: 'cells', line: 2, cells: ['1', 'one line\nsaid hi" to"', 'calm'] },
      { kind: 'cells', line: 4 },
    ])
  })

  test('wherever pieces of the file meet, the rows are the same', async () => {
    const text = 'id,title\r\n1,"stray\r\n2,"a ""b"""\r\n3,"two\r\nlines"\r\n\r\n4, x\r\n5,"é'
    const read = async (chunk: number) => {
      const stream = Readable.from(
        (function* () {
          for (let at = 0; at < text.length; at += chunk) yield Buffer.from(text.slice(at, at + chunk))
        })(),
      )
      return all((await openCatalog({ stream, name: 'x.csv' })).rows())
    }
    const whole: RawRow[] = await read(1000)
    expect(whole.map(({ kind, line }) => [kind, line])).toEqual([
      ['broken', 2],
      ['cells', 3],
      ['cells', 4],
      ['cells', 7],
      ['broken', 8],
    ])
    for (const chunk of [1, 2, 3, 7]) expect(await read(chunk)).toEqual(whole)
  })
})

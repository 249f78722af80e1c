import { describe, expect, test } from '@jest/globals'
import { stringify } from 'csv-stringify/sync'
import fc from 'fast-check'
import { UsageError } from '../../src/domain/errors.js'
import { all, openText, rawRows } from './reading.js'

describe('the rows of a CSV file', () => {
  test('cells come as written: quoted separators, doubled marks, line breaks, empty cells, white space', async () => {
    expect(await rawRows('a,b,c\r\n"x, y","say ""hi""","two\r\nlines"\r\n, z ,\r\n')).toEqual([
      { kind: 'cells', line: 2, cells: ['x, y', 'say "hi"', 'two\r\nlines'] },
      { kind: 'cells', line: 4, cells: ['', ' z ', ''] },
    ])
  })

  test('line numbers are true behind quoted line breaks and empty lines, with either line end', async () => {
    for (const end of ['\n', '\r\n']) {
      const text = ['a,b', '', '1,"x', 'y', '', 'z"', '', '', '2,y', '3,z'].join(end)
      const rows = await rawRows(text)
      expect(rows.map((row) => row.line)).toEqual([3, 9, 10])
    }
  })

  test('mixed line ends, and no line end on the last line', async () => {
    const rows = await rawRows('a,b\r\n1,2\n3,4\r\n5,6')
    expect(rows.map((row) => row.kind === 'cells' && row.cells)).toEqual([
      ['1', '2'],
      ['3', '4'],
      ['5', '6'],
    ])
  })

  test('lines that end in a lone CR', async () => {
    expect((await rawRows('a,b\r1,2\r3,4\r')).map((row) => row.line)).toEqual([2, 3])
  })

  test('an empty line is no row; a line of separators is one, and so is an empty quoted cell', async () => {
    expect(await rawRows('a,b\n\n,\n\n')).toEqual([{ kind: 'cells', line: 3, cells: ['', ''] }])
    expect(await rawRows('a\n""\nx\n')).toMatchObject([{ cells: [''] }, { cells: ['x'] }])
  })

  test('in a catalog of one column an empty line is a row, except before the header and at the end of the file', async () => {
    for (const end of ['\n', '\r\n']) {
      for (const chunk of [1, 7, 1_000_000]) {
        const text = ['', 'title', '', 'x', '', '', '"a', 'b"', '', '"y"z', '', ''].join(end)
        const rows = await all((await openText(text, 'x.csv', chunk)).rows())
        expect(rows.map((row) => [row.line, row.kind === 'cells' ? row.cells[0]?.length : row.kind])).toEqual([
          [3, 0],
          [4, 1],
          [5, 0],
          [6, 0],
          [7, 2 + end.length],
          [9, 0],
          [10, 2],
        ])
      }
    }
  })

  test('a quotation mark inside an unquoted cell is taken as written', async () => {
    const rows = await rawRows('id,title\n1,27" monitor\n2,"a, b"\n3,12" "live"\n')
    expect(rows.map((row) => row.kind === 'cells' && row.cells[1])).toEqual(['27" monitor', 'a, b', '12" "live"'])
  })

  test('a mark that is never closed costs its own line; the rows behind it are read', async () => {
    const rows = await rawRows('id,title\n1,a\n2,"b\n3,c\n4,d\n')
    expect(rows.map((row) => [row.line, row.kind])).toEqual([
      [2, 'cells'],
      [3, 'broken'],
      [4, 'cells'],
      [5, 'cells'],
    ])
    expect(rows[1]).toMatchObject({ json: '["2,\\"b"]', problem: expect.stringContaining('closing quotation mark') })
  })

  test('text behind a closing mark is part of the cell, as Excel reads it', async () => {
    expect(await rawRows('id,title\n1,"a"b "c"\n2,"d" ,\n3,""e""\n')).toMatchObject([
      { line: 2, cells: ['1', 'ab "c"'] },
      { line: 3, cells: ['2', 'd ', ''] },
      { line: 4, cells: ['3', 'e""'] },
    ])
  })

  test('blocks and chunks leave no seam: 20,000 rows with quoted line breaks, in pieces of 1,021 bytes', async () => {
    const records = Array.from({ length: 20_000 }, (_, n) => [String(n), `Zürich "${n}"\nline two, ${n}`])
    const catalog = await openText(stringify([['id', 'title'], ...records]), 'x.csv', 1021)
    const rows = await all(catalog.rows())
    expect(rows.map((row) => row.kind === 'cells' && row.cells)).toEqual(records)
    expect(rows.map((row) => row.line)).toEqual(records.map((_, n) => 2 + 2 * n))
  })

  test('any table that is written as CSV is read back cell by cell', async () => {
    const cell = fc.oneof(
      fc.string({ unit: 'grapheme', maxLength: 12 }),
      fc.constantFrom('a,b', '"', '\n', '\r\n', ';', '=1'),
    )
    const table = fc
      .integer({ min: 1, max: 4 })
      .chain((width) =>
        fc.array(fc.array(cell, { minLength: width, maxLength: width }), { minLength: 1, maxLength: 8 }),
      )
    await fc.assert(
      fc.asyncProperty(table, fc.constantFrom(',', ';', '\t', '|'), async (rows, delimiter) => {
        const header = (rows[0] ?? []).map((_, n) => `c${n}`)
        const text = stringify([header, ...rows], { delimiter, quoted: true, quoted_empty: true })
        const read = await all((await openText(text, delimiter === '\t' ? 'x.tsv' : 'x.csv', 7)).rows())
        expect(read.map((row) => row.kind === 'cells' && row.cells)).toEqual(rows)
      }),
    )
  })

  test('any text at all gives rows on growing lines, or a refusal with a sentence', async () => {
    const text = fc.string({
      unit: fc.constantFrom('"', ',', ';', '\n', '\r', 'a', ' ', '{', '\u0000', 'ü'),
      maxLength: 60,
    })
    await fc.assert(
      fc.asyncProperty(text, async (body) => {
        try {
          const rows = await rawRows(`x,y\n1,2\n${body}`)
          const lines = rows.map((row) => row.line)
          expect(lines).toEqual([...new Set(lines)].sort((a, b) => a - b))
          expect(lines.at(-1)).toBeLessThanOrEqual(2 + body.split(/\n|\r/).length)
          for (const row of rows) if (row.kind === 'broken') expect(() => JSON.parse(row.json)).not.toThrow()
        } catch (error) {
          expect(error).toBeInstanceOf(UsageError)
        }
      }),
      { numRuns: 500 },
    )
  })

  test('no line of text is lost: what is not blank in the file is in some row', async () => {
    const line = fc.string({ unit: fc.constantFrom('"', ',', 'a', 'b', ' '), minLength: 1, maxLength: 12 })
    await fc.assert(
      fc.asyncProperty(fc.array(line, { minLength: 1, maxLength: 8 }), async (lines) => {
        const rows = await rawRows(`x,y\n${lines.join('\n')}`)
        const letters = (text: string) => text.replace(/[^ab]/g, '')
        const kept = rows.map((row) =>
          row.kind === 'cells' ? row.cells.join('') : row.kind === 'broken' ? row.json : '',
        )
        expect(letters(kept.join(''))).toBe(letters(lines.join('')))
      }),
      { numRuns: 500 },
    )
  })
})

import { Writable } from 'node:stream'
import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { isExportColumn } from '../../src/catalog/column-names.js'
import { compileRows } from '../../src/catalog/compile-rows.js'
import { exportBatch } from '../../src/catalog/export/export-batch.js'
import { UsageError } from '../../src/domain/errors.js'
import type { ExportRow } from '../../src/store/store.js'
import { hasPython, type PythonFile, readWithPython } from '../support/python-csv.js'
import { each } from './exporting.js'
import { all, openText } from './reading.js'

/** Read, exported with an answer for every row, and read again. */
interface Trip {
  readonly columns: readonly string[]
  readonly rows: readonly (readonly string[])[]
  readonly requests: readonly (string | null)[]
  readonly preamble: string
  readonly delimiter: string
  readonly quoting: 'csv' | 'none'
}

interface Read extends Trip {
  readonly items: readonly ExportRow[]
  readonly hasStrayMark: boolean
}

async function read(text: string | Buffer, name: string): Promise<Read> {
  const catalog = await openText(text, name, 11)
  const own = [...catalog.columns.keys()].filter((index) => !isExportColumn(catalog.columns[index] ?? ''))
  const column = catalog.names.findIndex(
    (each, index) =>
      /^[\w ]+$/.test(each) && catalog.names.indexOf(each) === index && catalog.names.lastIndexOf(each) === index,
  )
  const loaded = await all(compileRows({ catalog, template: `{${catalog.names[column] ?? 'none'}}` }))
  const rows = loaded.map(({ row }) => {
    const cells = JSON.parse(row) as string[]
    return own.map((index) => cells[index] ?? '')
  })
  const answer = JSON.stringify({ tracks: [{ id: '=1', title: '"Heroes"\tlive\n', artist: '@x' }] })
  const items = loaded.map(({ position, key, row, problem }): ExportRow => {
    const facts = { position, key, row, tagging: null, error: problem }
    return problem === null ? { ...facts, status: 'tagged', answer } : { ...facts, status: 'invalid', answer: null }
  })
  const { delimiter, quoting, preamble } = catalog
  return {
    columns: own.map((index) => catalog.columns[index] ?? ''),
    rows,
    requests: loaded.map(({ request }) => request?.fingerprint ?? null),
    preamble,
    delimiter: delimiter ?? '',
    quoting,
    items,
    hasStrayMark: loaded.some(({ problem }) => problem?.includes('quotation mark') === true),
  }
}

async function exported(text: string, name: string, items: readonly ExportRow[], spreadsheetSafe: boolean) {
  const catalog = await openText(text, name)
  const chunks: Buffer[] = []
  const out = new Writable({
    write(chunk: Buffer, _, done) {
      chunks.push(Buffer.from(chunk))
      done()
    },
  })
  const batch = { ...catalog, name: 'x' }
  await exportBatch({ rows: each(items), batch, format: 'csv', spreadsheetSafe, out })
  return Buffer.concat(chunks)
}

const cell = fc.oneof(
  fc.string({ unit: fc.constantFrom('a', 'ü', '🎬', '"', ',', ';', '\t', '\n', '\r', ' ', '|', "'"), maxLength: 6 }),
  fc.constantFrom('=1+1', "'=1", '-5', '+x', '@a', '＝1', '', ' padded ', '2,5', '"', '""', 'NULL', 'a\r\nb', '\\'),
)

/** A table as some program writes it. */
const written = fc
  .record({
    rows: fc.integer({ min: 1, max: 4 }).chain((width) =>
      fc.record({
        header: fc.array(cell, { minLength: width - 1, maxLength: width - 1 }),
        rows: fc.array(fc.array(cell, { minLength: 1, maxLength: width + 1 }), { minLength: 1, maxLength: 6 }),
      }),
    ),
    delimiter: fc.constantFrom(',', ';', '\t', '|'),
    end: fc.constantFrom('\n', '\r\n'),
    quote: fc.constantFrom('needed', 'all', 'never'),
    before: fc.constantFrom('', '\uFEFF', 'sep=', '# made by x\n\n'),
  })
  .map(({ rows: { header, rows }, delimiter, end, quote, before }) => {
    const one = (value: string) => {
      const plain = value
        .split(delimiter)
        .join('')
        .replace(/[\r\n]/g, '')
      if (quote === 'never') return delimiter === '\t' ? plain : plain.replaceAll('"', '')
      const isNeeded = quote === 'all' || value.includes(delimiter) || /["\r\n]/.test(value)
      return isNeeded ? `"${value.replaceAll('"', '""')}"` : value
    }
    const lines = [['title', ...header], ...rows].map((cells) => cells.map(one).join(delimiter))
    const start = before === 'sep=' ? `sep=${delimiter}${end}` : before
    return { text: start + lines.map((line) => line + end).join(''), name: delimiter === '\t' ? 'x.tsv' : 'x.csv' }
  })

const garbage = fc
  .string({ unit: fc.constantFrom('"', ',', '\t', '\n', '\r', 'a', ' ', ';', "'", '=', 'title'), maxLength: 60 })
  .map((text) => ({ text: `title,b\n${text}`, name: 'x.csv' }))

test('an export read again is the catalog: same columns, cells and requests, also where it is spreadsheet-safe', async () => {
  let trips = 0
  await fc.assert(
    fc.asyncProperty(fc.oneof(written, garbage), fc.boolean(), async ({ text, name }, isSafe) => {
      let first: Read
      try {
        first = await read(text, name)
      } catch (error) {
        expect(error).toBeInstanceOf(UsageError)
        return
      }
      const { items, hasStrayMark: _, ...trip } = first
      const wide = items.map(
        ({ row }) => (JSON.parse(row) as string[]).slice(trip.columns.length).join('').trim() !== '',
      )
      const { items: __, hasStrayMark: ___, ...again } = await read(await exported(text, name, items, isSafe), name)
      // The surplus cells of a row with too many are joined: it was not searched, and its text is there.
      const kept = <T>(of: readonly T[]) => of.filter((__, index) => wide[index] !== true)
      expect({ ...again, rows: kept(again.rows) }).toEqual({ ...trip, rows: kept(trip.rows) })
      trips++
    }),
    { numRuns: 1500 },
  )
  expect(trips).toBeGreaterThan(700)
})

const comparing = hasPython ? test : test.skip

comparing('Python’s csv module finds the catalog’s own cells in the export', async () => {
  const files: (PythonFile & { readonly skip: number; readonly text: string })[] = []
  for (const { text, name } of fc.sample(written, 800)) {
    const trip = await read(text, name).catch(() => null)
    // Python knows no file without a separator, and no stray mark.
    if (trip === null || trip.columns.length === 1 || trip.hasStrayMark) continue
    const { delimiter, quoting, preamble, items } = trip
    const skip = preamble === '' ? 0 : preamble.split('\n').length - 1
    const about = { delimiter, quoting, skip, text }
    files.push({ ...about, bytes: Buffer.from(text) })
    files.push({ ...about, bytes: await exported(text, name, items, false) })
  }
  expect(files.length).toBeGreaterThan(600)
  const read_ = readWithPython(files)
  for (let n = 0; n < files.length; n += 2) {
    const [input, output] = [read_[n] ?? [], read_[n + 1] ?? []].map((rows) =>
      rows.slice(files[n]?.skip).filter((cells) => cells.length > 0),
    )
    const width = input?.[0]?.length ?? 0
    const own = (cells: readonly string[]) => Array.from({ length: width }, (_, index) => cells[index] ?? '')
    const expected = (input ?? []).map((cells) => {
      const surplus = cells.slice(width)
      if (surplus.every((each) => each.trim() === '')) return own(cells)
      const glue = files[n]?.quoting === 'none' ? ' ' : (files[n]?.delimiter ?? ',')
      return own([...cells.slice(0, width - 1), cells.slice(width - 1).join(glue)])
    })
    expect({ text: files[n]?.text, rows: output?.map(own) }).toEqual({
      text: files[n]?.text,
      rows: expected,
    })
  }
})

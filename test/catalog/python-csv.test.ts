import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import type { RawRow } from '../../src/catalog/catalog.js'
import { hasPython, type PythonFile, readWithPython } from '../support/python-csv.js'
import { all, openText } from './reading.js'

const unit = (...units: string[]) => fc.string({ unit: fc.constantFrom(...units), maxLength: 40 })
const text = fc.oneof(
  unit('"', ',', '\n', 'a', 'b', ' '),
  unit('"', '""', ',', ',"', '",', '"\n', '\n', '\r\n', '\r', 'a', 'ü', '🎬', ';', "'", '\\', '\t'),
)

/** Of one file: its columns and rows, without those of empty lines. Null: rows of it are refused here. */
async function readHere(content: string, delimiter: string) {
  const catalog = await openText(content, 'x.csv', 5, { delimiter })
  const rows: RawRow[] = await all(catalog.rows())
  if (catalog.notes.some((note) => note.startsWith('spaces')) || rows.some((row) => row.kind !== 'cells')) return null
  const cells = rows.map((row) => (row.kind === 'cells' ? row.cells : []))
  return { quoting: catalog.quoting, rows: [catalog.columns, ...cells].filter(isFilled) }
}

function isFilled(cells: readonly string[]): boolean {
  return cells.length > 1 || (cells.length === 1 && cells[0] !== '')
}

const comparing = hasPython ? test : test.skip

comparing('what Python’s csv module reads of any text, where both take it', async () => {
  const files: (PythonFile & { readonly rows: readonly (readonly string[])[] })[] = []
  const cases = fc.sample(fc.tuple(text, fc.constantFrom(',', ';', '\t')), 4000)
  for (const [body, delimiter] of cases) {
    const content = `x${delimiter}y\n1${delimiter}2\n${body}`
    const read = await readHere(content, delimiter)
    if (read !== null) files.push({ bytes: Buffer.from(content), delimiter, ...read })
  }
  expect(files.length).toBeGreaterThan(2500)
  const theirs = readWithPython(files)
  for (const [index, { bytes, rows }] of files.entries()) {
    expect({ text: bytes.toString(), rows }).toEqual({ text: bytes.toString(), rows: theirs[index]?.filter(isFilled) })
  }
})

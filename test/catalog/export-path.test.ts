import { expect, test } from '@jest/globals'
import { defaultBatchName, defaultExportPath, defaultReportPath } from '../../src/catalog/export/default-path.js'

test.each([
  ['/data/films.csv', ',', 'csv', '/data/films.tagged.csv'],
  ['/data/films.csv', ',', 'jsonl', '/data/films.tagged.jsonl'],
  ['films.tsv', '\t', 'csv', 'films.tagged.tsv'],
  ['films.ndjson', null, 'jsonl', 'films.tagged.ndjson'],
  ['films.ndjson', null, 'csv', 'films.tagged.csv'],
  ['a.b/films', ';', 'csv', 'a.b/films.tagged.csv'],
  ['films.csv.gz', ',', 'csv', 'films.tagged.csv'],
  ['/data/films.jsonl.GZ', null, 'jsonl', '/data/films.tagged.jsonl'],
  ['films.gz', ',', 'csv', 'films.tagged.csv'],
  ['v1.2.CSV', ',', 'csv', 'v1.2.tagged.CSV'],
] as const)('%s (%j) as %s goes to %s', (catalogPath, delimiter, format, path) => {
  expect(defaultExportPath({ catalogPath, delimiter, name: defaultBatchName(catalogPath) }, format)).toBe(path)
})

test.each([
  ['spring films', 'spring films.tagged.csv'],
  ['../../etc/passwd', '-..-etc-passwd.tagged.csv'],
  ['a\n/b', 'a-b.tagged.csv'],
  ['..', 'batch.tagged.csv'],
])('a batch without a file, named %j, goes to %s', (name, path) => {
  expect(defaultExportPath({ catalogPath: null, delimiter: ',', name }, 'csv')).toBe(path)
})

test.each([
  ['/data/films.csv', 'calm', '/data/films.calm'],
  ['films.csv.gz', 'calm', 'films.calm'],
  ['films.csv', 'films', 'films'],
  ['films.csv', '../x', 'films.-x'],
  [null, 'calm', 'calm'],
])('the files of a batch of %j named %j begin with %s', (catalogPath, name, start) => {
  const batch = { catalogPath, delimiter: ',', name }
  expect(defaultExportPath(batch, 'csv')).toBe(`${start}.tagged.csv`)
  expect(defaultReportPath(batch)).toBe(`${start}.report.html`)
})

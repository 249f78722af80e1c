import { expect, test } from '@jest/globals'
import { compileRows } from '../../src/catalog/compile-rows.js'
import { openCatalog } from '../../src/catalog/open-catalog.js'
import { all } from './reading.js'

test('the sample catalog has what the demo shows: repeats, three titles to script, and the usual faults', async () => {
  const catalog = await openCatalog({ path: 'scripts/sample-catalog.csv' })
  const rows = await all(compileRows({ catalog, template: '{title} {mood} music' }))
  expect(catalog.columns).toEqual(['id', 'title', 'description', 'mood', 'genre', 'bpm', 'duration'])
  expect(rows.length).toBeGreaterThanOrEqual(300)
  for (const title of ['Harbour at Dawn', 'Café Zürich, Late', 'Winter Market']) {
    expect(rows.filter((row) => row.row.includes(title))).toHaveLength(1)
  }
  const fingerprints = rows.map((row) => row.request?.fingerprint).filter((print) => print !== undefined)
  expect(new Set(fingerprints).size).toBeLessThan(fingerprints.length - 50)
  expect(rows.map((row) => row.problem).filter((problem) => problem !== null)).toEqual([
    expect.stringMatching(/^line \d+: expected text in \{title\} or \{mood\}, found none$/),
    expect.stringMatching(/^line \d+: expected 7 cells, found 8$/),
  ])
  const keys = rows.map((row) => row.key).filter((key) => key !== null)
  expect(keys.length - new Set(keys).size).toBe(1)
  expect(rows.some((row) => row.row.includes('\\n'))).toBe(true)
})

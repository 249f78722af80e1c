import { expect, test } from '@jest/globals'
import { UnreachableError } from '../../src/domain/errors.js'
import { storeError } from '../../src/store/sqlite/explain-error.js'

const sentences: readonly [string, RegExp][] = [
  ['SQLITE_BUSY', /locked by another process.*safe to try again/],
  ['SQLITE_FULL', /The disk .* is full.*Free some space/],
  ['SQLITE_IOERR_FSYNC', /cannot be read or written \(SQLITE_IOERR_FSYNC\).*Its disk, quota or connection/],
  ['SQLITE_IOERR_SHORT_READ', /shorter than expected.*trackyard-batch down/],
  ['SQLITE_READONLY', /cannot be written.*mounted read-only.*permissions/],
  ['SQLITE_READONLY_DBMOVED', /moved or deleted.*Put it back/],
  ['SQLITE_CANTOPEN', /cannot be opened.*its directory exist.*permissions/],
  ['SQLITE_CORRUPT_VTAB', /is damaged \(SQLITE_CORRUPT_VTAB\).*restore a backup.*docs\/backup\.md/],
  ['SQLITE_NOTADB', /is damaged/],
]

test.each(sentences)('the message for %s names the file and the remedy', (code, sentence) => {
  const error = storeError(Object.assign(new Error('as SQLite says it'), { code }), '/data/trackyard.db')
  expect(error).toBeInstanceOf(UnreachableError)
  expect(String(error)).toMatch(sentence)
  expect(String(error)).toContain('/data/trackyard.db')
})

test('any other error is a bug and is returned unchanged', () => {
  const bug = Object.assign(new Error('no such column'), { code: 'SQLITE_ERROR' })
  expect(storeError(bug, '/data/trackyard.db')).toBe(bug)
})

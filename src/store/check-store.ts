import Database from 'better-sqlite3'
import { errorCode } from '../domain/error-code.js'
import { isDamage } from './store-error.js'

/**
 * What SQLite's `quick_check` finds wrong with a file: null is sound. It reads the whole file (see docs/backup.md for how long
 * that takes) and blocks the thread. It sees pages that are not what they should be, rows out of order and broken
 * columns; not a changed letter inside an answer, since SQLite keeps no checksums, and not an index that lacks a row.
 * @throws what SQLite throws for a file that cannot be opened or is locked
 */
export function checkStore(path: string): string | null {
  const handle = new Database(path, { readonly: true, fileMustExist: true, timeout: 10_000 })
  try {
    const [first] = handle.pragma('quick_check(1)') as { readonly quick_check: string }[]
    return first === undefined || first.quick_check === 'ok'
      ? null
      : first.quick_check.split('\n').slice(0, 2).join(' ')
  } catch (error) {
    if (isDamage(errorCode(error))) return errorCode(error)
    throw error
  } finally {
    handle.close()
  }
}

/** Without a log beside it, so that a person can move it as one file. */
export function makeSingleFile(path: string): void {
  const handle = new Database(path)
  try {
    handle.pragma('journal_mode = DELETE')
  } finally {
    handle.close()
  }
}

import Database from 'better-sqlite3'
import { errorCode } from '../../domain/errors.js'
import { isDamage } from './explain-error.js'

export interface TimedCheck {
  readonly problem: string | null
  readonly tookMs: number
}

export function timedCheck(path: string, patienceMs?: number): TimedCheck {
  const startedAt = performance.now()
  const problem = checkStore(path, patienceMs)
  return { problem, tookMs: performance.now() - startedAt }
}

/**
 * What SQLite's `quick_check` finds wrong with a file. Null: the file is sound. It reads the whole
 * file (docs/backup.md says how long that takes) and blocks the thread. It detects corrupt pages,
 * rows out of order and broken columns. It does not detect a changed letter inside an answer, since
 * SQLite keeps no checksums, nor an index that lacks a row.
 * @param patienceMs how long it waits for a lock
 * @throws what SQLite throws for a file that cannot be opened or is locked
 */
export function checkStore(path: string, patienceMs = 10_000): string | null {
  const handle = new Database(path, { readonly: true, fileMustExist: true, timeout: patienceMs })
  try {
    const problem = String(handle.pragma('quick_check(1)', { simple: true }))
    return problem === 'ok' ? null : problem.split('\n').slice(0, 2).join(' ')
  } catch (error) {
    if (isDamage(errorCode(error))) return errorCode(error)
    throw error
  } finally {
    handle.close()
  }
}

/** Turns the write-ahead log off, so that the store can be moved as one file. */
export function makeSingleFile(path: string): void {
  const handle = new Database(path)
  try {
    handle.pragma('journal_mode = DELETE')
  } finally {
    handle.close()
  }
}

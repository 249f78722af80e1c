import { setTimeout as sleep } from 'node:timers/promises'
import Database from 'better-sqlite3'
import { errorCode, UnreachableError } from '../../domain/errors.js'

/**
 * A lock for one process at a time: an open transaction on an empty SQLite file. The system releases it when its holder
 * dies, in whatever way. Nothing is written, so a full disk does not matter.
 */

const RETRY_EVERY_MS = 25

/** @throws UnreachableError when another process keeps the lock for longer than patienceMs */
export async function withFileLock<Result>(
  path: string,
  patienceMs: number,
  work: () => Promise<Result>,
): Promise<Result> {
  const deadline = performance.now() + patienceMs
  const database = new Database(path, { timeout: 0 })
  // SQLite prepares the first page of an empty file at once. In memory: no journal beside it, and nothing on the disk.
  database.pragma('journal_mode = memory')
  try {
    while (!beginImmediate(database)) {
      if (performance.now() > deadline) {
        throw new UnreachableError(
          `Another process is starting or stopping the private Redis and does not finish. End that process: \`lsof ${path}\` names it.`,
        )
      }
      await sleep(RETRY_EVERY_MS)
    }
    return await work()
  } finally {
    database.close()
  }
}

/** False: another process, or another part of this one, holds the lock. */
function beginImmediate(database: Database.Database): boolean {
  try {
    database.exec('begin immediate')
    return true
  } catch (error) {
    if (errorCode(error).startsWith('SQLITE_BUSY')) return false
    throw error
  }
}

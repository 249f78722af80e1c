import { errorCode } from '../domain/error-code.js'
import { UnreachableError } from '../domain/errors.js'

/**
 * What went wrong with the file, in a sentence for people: where SQLite's code says that the machine and not
 * the program is at fault. Everything else is returned as it is: it is a bug.
 */
export function storeError(error: unknown, path: string): unknown {
  const sentence = sentenceFor(errorCode(error), path)
  return sentence === null ? error : new UnreachableError(sentence, { cause: error })
}

export function isBusy(error: unknown): boolean {
  return errorCode(error).startsWith('SQLITE_BUSY')
}

/** One of the store's own errors: another process held it locked, so that a later try may succeed. */
export function isStoreLocked(error: unknown): error is UnreachableError {
  return error instanceof UnreachableError && isBusy(error.cause)
}

function sentenceFor(code: string, path: string): string | null {
  if (code.startsWith('SQLITE_BUSY') || code.startsWith('SQLITE_LOCKED'))
    return `The store ${path} was locked by another process for too long: end what holds the lock, or wait. It is safe to try again.`
  if (code === 'SQLITE_FULL')
    return `The disk that holds the store ${path} is full. Nothing that was saved is lost: free some space and try again.`
  if (code.startsWith('SQLITE_IOERR'))
    return `The store ${path} cannot be read or written (${code}): check the disk and try again.`
  if (code.startsWith('SQLITE_READONLY'))
    return `The store ${path} cannot be written: check the owner and the permissions of the file and its directory.`
  if (code.startsWith('SQLITE_CANTOPEN') || code === 'SQLITE_PERM' || code === 'SQLITE_AUTH')
    return `The store ${path} cannot be opened: check the owner and the permissions of the file and its directory.`
  if (code.startsWith('SQLITE_CORRUPT') || code === 'SQLITE_NOTADB')
    return `The store ${path} is damaged (${code}): restore it from a backup, or move it away to begin a new one.`
  return null
}

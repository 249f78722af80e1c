import { errorCode, UnreachableError } from '../domain/errors.js'

/** The store was locked by another process: a later try may succeed. */
export function isStoreLocked(error: unknown): error is UnreachableError {
  return error instanceof UnreachableError && /^(SQLITE_BUSY|55P03$)/.test(errorCode(error.cause))
}

import { errorCode } from '../domain/error-code.js'

/** What stood at a path instead of a readable file, as a phrase for people. */
export function foundInstead(error: unknown): string {
  switch (errorCode(error)) {
    case 'ENOENT':
      return 'nothing'
    case 'EISDIR':
      return 'a directory'
    case 'EACCES':
    case 'EPERM':
      return 'a file that may not be read'
    default:
      return String(error)
  }
}

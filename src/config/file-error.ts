import { errorCode } from '../domain/errors.js'
import { NoSmallFileError } from './small-file.js'

/** What was found at a path instead of a readable file, as a phrase for messages. */
export function foundInstead(error: unknown): string {
  if (error instanceof NoSmallFileError) return error.message
  switch (errorCode(error)) {
    case 'ENOENT':
      return 'nothing'
    case 'ENOTDIR':
      return 'nothing, since a part of the path is a file'
    case 'ELOOP':
      return 'a link that leads back to itself'
    case 'ENAMETOOLONG':
      return 'a path that is too long'
    case 'EIO':
      return 'something that cannot be read (EIO)'
    case 'EISDIR':
      return 'a directory'
    case 'EACCES':
    case 'EPERM':
      return 'a file that may not be read'
    default:
      return String(error)
  }
}

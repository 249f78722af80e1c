import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { errorCode } from '../domain/errors.js'

/** Far more than settings or a key need. */
const LARGEST_BYTES = 1024 * 1024

class NoSmallFileError extends Error {}

/**
 * Reads a whole file as text, without a byte order mark. The limit protects from a device, which
 * would deliver bytes forever.
 * @throws the system's error, or NoSmallFileError, whose message is a phrase for what was found
 */
export function readSmallFile(path: string): string {
  const fd = openSync(path, 'r')
  try {
    const stats = fstatSync(fd)
    // /dev/null reads as an empty file, which is what the user means.
    if (stats.isBlockDevice() || (stats.isCharacterDevice() && path !== '/dev/null'))
      throw new NoSmallFileError('a device')
    const bytes = Buffer.alloc(LARGEST_BYTES + 1)
    let length = 0
    for (;;) {
      const read = readSync(fd, bytes, length, bytes.length - length, null)
      length += read
      if (length > LARGEST_BYTES) throw new NoSmallFileError('more than 1 MB')
      if (read === 0) return bytes.toString('utf8', 0, length).replace(/^\uFEFF/, '')
    }
  } finally {
    closeSync(fd)
  }
}

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

import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import { errorCode } from '../domain/errors.js'

/** Far more than settings or a key need. */
const LARGEST_BYTES = 1024 * 1024

/** How long the other end of a pipe may write nothing. */
const PIPE_PATIENCE_MS = 10_000

class NoSmallFileError extends Error {}

/**
 * Reads a whole file as text, without a byte order mark. The limit protects from a device, which
 * would deliver bytes forever.
 * @throws the system's error, or NoSmallFileError, whose message is a phrase for what was found
 */
export function readSmallFile(path: string): string {
  // Opening a named pipe that nobody writes to would block, signals included.
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    const stats = fstatSync(fd, { bigint: true })
    // /dev/null reads as an empty file, which is what the user means.
    if (stats.isBlockDevice() || (stats.isCharacterDevice() && path !== '/dev/null'))
      throw new NoSmallFileError('a device')
    const bytes = Buffer.alloc(LARGEST_BYTES + 1)
    let length = 0
    let giveUpAt = performance.now() + PIPE_PATIENCE_MS
    for (;;) {
      const read = readNow(fd, bytes, length)
      if (read === null || (read === 0 && length === 0 && stats.isFIFO())) {
        if (performance.now() > giveUpAt) throw new NoSmallFileError('a pipe into which nothing is written')
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20)
        continue
      }
      length += read
      giveUpAt = performance.now() + PIPE_PATIENCE_MS
      if (length > LARGEST_BYTES) throw new NoSmallFileError('more than 1 MB')
      if (read === 0) return bytes.toString('utf8', 0, length).replace(/^\uFEFF/, '')
    }
  } finally {
    closeSync(fd)
  }
}

/** Null: the other end of the pipe has not written yet. */
function readNow(fd: number, bytes: Buffer, from: number): number | null {
  try {
    return readSync(fd, bytes, from, bytes.length - from, null)
  } catch (error) {
    if (errorCode(error) === 'EAGAIN') return null
    throw error
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

import { createHash } from 'node:crypto'
import { chown, lstat, mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { UnreachableError } from '../domain/errors.js'
import { factsOf } from './error-facts.js'

/**
 * The socket of the private Redis is beside its files, unless that path is longer than the system allows. Then it is
 * in a directory under /tmp that belongs to the owner of the data. Everybody may write to /tmp, so that directory is used
 * only if it is not a link, belongs to the owner, and is closed to all others.
 */

/** The system's limit is 104 (macOS) or 108 bytes. */
const LONGEST_SOCKET_PATH = 100

/** @param dir from `realpath`, so that every path to it gives the same name */
export function socketPathFor(dir: string, owner: number): string {
  const beside = join(dir, 'redis.sock')
  if (Buffer.byteLength(beside) <= LONGEST_SOCKET_PATH) return beside
  const name = createHash('sha256').update(dir).digest('hex').slice(0, 16)
  // A fixed place, not TMPDIR or XDG_RUNTIME_DIR: two processes with different environments must look at the same socket.
  return join(`/tmp/trackyard-batch-${owner}`, `${name}.sock`)
}

/** Creates the directory under /tmp, if needed. @throws UnreachableError when it does not belong to the owner alone */
export async function makeSocketPlace(socketPath: string, dir: string, owner: number): Promise<void> {
  if (dirname(socketPath) !== dir) await makePrivate(dirname(socketPath), owner)
  await checkSocketPlace(socketPath, dir, owner)
}

/** Call before using the socket. @throws UnreachableError when its directory under /tmp does not belong to the owner alone */
export async function checkSocketPlace(socketPath: string, dir: string, owner: number): Promise<void> {
  const place = dirname(socketPath)
  if (place === dir) return
  const found = await lstat(place).catch(() => null)
  if (found === null) return
  if (found.isDirectory() && found.uid === owner && (found.mode & 0o077) === 0) return
  throw new UnreachableError(
    `${place} is not a private directory of user ${owner}, so the socket of the private Redis is not safe there: ` +
      'remove it, or set TRACKYARD_DATA_DIR to a shorter path.',
  )
}

async function makePrivate(place: string, owner: number): Promise<void> {
  try {
    await mkdir(place, { mode: 0o700 })
  } catch (error) {
    if (factsOf(error).code === 'EEXIST') return
    throw error
  }
  if (process.getuid?.() !== owner) await chown(place, owner, -1)
}

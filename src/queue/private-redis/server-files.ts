import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { chown, lstat, mkdir, readdir, readFile, readlink, realpath, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { errorCode, UnreachableError } from '../../domain/errors.js'

/** The files of the private Redis: where they are, whose they are, and which process they name. */
export interface ServerFiles {
  /** redis/ in the data directory. */
  readonly dir: string
  /** The user id that owns the data directory. */
  readonly owner: number
  readonly socketPath: string
  readonly pidFile: string
  readonly logFile: string
  /** An empty SQLite file (see file-lock.ts). */
  readonly lockFile: string
}

/** @param dataDir from `realpath`, so that every path to it gives the same names */
export function serverFiles(dataDir: string, owner = process.getuid?.() ?? 0): ServerFiles {
  const dir = join(dataDir, 'redis')
  return {
    dir,
    owner,
    socketPath: socketPathFor(dir, owner),
    pidFile: join(dir, 'redis.pid'),
    logFile: join(dir, 'redis.log'),
    lockFile: join(dir, 'lock.db'),
  }
}

/** The system's limit is 104 (macOS) or 108 bytes. */
const LONGEST_SOCKET_PATH = 100

/**
 * The socket of the private Redis is beside its files, unless that path is longer than the system allows. Then it is
 * in a directory under /tmp that belongs to the owner of the data. Everybody may write to /tmp, so that directory is used
 * only if it is not a link, belongs to the owner, and is closed to all others.
 * @param dir from `realpath`, so that every path to it gives the same name
 */
export function socketPathFor(dir: string, owner: number): string {
  const beside = join(dir, 'redis.sock')
  if (Buffer.byteLength(beside) <= LONGEST_SOCKET_PATH) return beside
  const name = createHash('sha256').update(dir).digest('hex').slice(0, 16)
  // A fixed place, not TMPDIR or XDG_RUNTIME_DIR: two processes with different environments must look at the same socket.
  return join(`/tmp/trackyard-batch-${owner}`, `${name}.sock`)
}

type SocketFiles = Pick<ServerFiles, 'socketPath' | 'dir' | 'owner'>

/** Creates the directory under /tmp, if needed. @throws UnreachableError when it does not belong to the owner alone */
export async function makeSocketDirectory(files: SocketFiles): Promise<void> {
  const { socketPath, dir, owner } = files
  if (dirname(socketPath) !== dir) await makePrivate(dirname(socketPath), owner)
  await checkSocketDirectory(files)
}

/** Call before using the socket. @throws UnreachableError when its directory under /tmp does not belong to the owner alone */
export async function checkSocketDirectory({ socketPath, dir, owner }: SocketFiles): Promise<void> {
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
    if (errorCode(error) === 'EEXIST') return
    throw error
  }
  if (process.getuid?.() !== owner) await chown(place, owner, -1)
}

const PREFIX = 'broken-'
const KEPT = 3

/**
 * Moves files that Redis cannot load into a directory beside them, named by the time, instead of deleting the user's
 * data. Only the newest few of these directories are kept.
 * @returns the directory that they are in now; null when none of them existed
 */
export async function moveAside(dir: string, names: readonly string[]): Promise<string | null> {
  const present = (await readdir(dir).catch(() => [])).filter((name) => names.includes(name))
  if (present.length === 0) return null
  const target = join(dir, `${PREFIX}${new Date().toISOString().replace(/[:.]/g, '-')}`)
  await mkdir(target, { recursive: true, mode: 0o700 })
  for (const name of present) await rename(join(dir, name), join(target, name))
  const all = (await readdir(dir)).filter((name) => name.startsWith(PREFIX)).sort()
  for (const old of all.slice(0, -KEPT)) await rm(join(dir, old), { recursive: true, force: true })
  return target
}

/** What stands in place of a file; null: nothing, a file, a socket or a device. Follows links. */
export async function strangeKind(path: string): Promise<'a pipe' | 'a directory' | 'a link to nothing' | null> {
  const found = await stat(path).catch(() => null)
  if (found === null) return (await lstat(path).catch(() => null)) === null ? null : 'a link to nothing'
  if (found.isFIFO()) return 'a pipe'
  return found.isDirectory() ? 'a directory' : null
}

/**
 * The process in the pid file, if it still is this directory's redis-server. After a kill the pid may belong to
 * another process (for example, a shell in that directory), which must neither prevent a start nor be stopped.
 */
export async function recordedServer(files: ServerFiles): Promise<number | null> {
  // Reading a pipe or a device may never end.
  if ((await stat(files.pidFile).catch(() => null))?.isFile() !== true) return null
  const pid = Number((await readFile(files.pidFile, 'utf8').catch(() => '')).trim())
  if (!Number.isInteger(pid) || pid < 2 || !isProcessAlive(pid)) return null
  return (await isServerOf(pid, files)) ? pid : null
}

/** False also for a zombie, which a killed or frozen parent leaves. */
export async function isServerOf(pid: number, files: ServerFiles): Promise<boolean> {
  const cwd = await readlink(`/proc/${pid}/cwd`).catch(() => null)
  if (cwd === null) return wasStartedFor(pid, files)
  const name = await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '')
  return SERVERS.test(name) && cwd === (await realpath(files.dir).catch(() => files.dir))
}

const SERVERS = /redis|valkey/

/** Also after its directory was moved or deleted: a server's title has the path of its socket. A zombie has no title. */
export async function wasStartedFor(pid: number, { socketPath }: ServerFiles): Promise<boolean> {
  const title = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() =>
    promisify(execFile)('ps', ['-p', String(pid), '-o', 'command=']).then(
      ({ stdout }) => stdout,
      () => '',
    ),
  )
  return SERVERS.test(title) && title.includes(socketPath)
}

/** Whether a process with this pid runs, of any user. A zombie has ended; its parent has not asked for its exit code yet. */
export function isProcessAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return !isZombie(pid)
  } catch (error) {
    return errorCode(error) === 'EPERM'
  }
}

/** On Linux; elsewhere nobody can tell. */
function isZombie(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.startsWith(') Z', stat.lastIndexOf(')'))
  } catch {
    return false
  }
}

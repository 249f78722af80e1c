import { type ChildProcess, spawn } from 'node:child_process'
import { open, readdir, readFile, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { UnreachableError } from '../../domain/errors.js'
import type { Logger } from '../../domain/logger.js'
import { kindOf, moveAside } from '../moved-aside.js'
import { socketPathFor } from '../socket-place.js'
import { explainFailure, type StartFailure } from '../start-failure.js'
import { stateOf } from './redis-socket.js'

/**
 * One redis-server in a directory: its files, its settings, and the wait until it answers. The store is the
 * truth and Redis is disposable: files that it cannot load are moved aside, once, and it starts empty.
 */
export interface ServerFiles {
  /** redis/ in the data directory. */
  readonly dir: string
  /** The user to whom the data directory belongs. */
  readonly owner: number
  readonly socketPath: string
  readonly pidFile: string
  readonly logFile: string
  readonly lockFile: string
}

/** @param dataDir as `realpath` gives it, so that every way to it comes to the same names */
export function serverFiles(dataDir: string, owner = process.getuid?.() ?? 0): ServerFiles {
  const dir = join(dataDir, 'redis')
  return {
    dir,
    owner,
    socketPath: socketPathFor(dir, owner),
    pidFile: join(dir, 'redis.pid'),
    logFile: join(dir, 'redis.log'),
    lockFile: join(dir, 'redis.lock'),
  }
}

/** What it loads: since Redis 7 a directory, before that one file. */
const APPEND_ONLY_DIR = 'appendonlydir'
const DATA = [APPEND_ONLY_DIR, 'appendonly.aof']

/**
 * @returns the pid of one that is up
 * @throws UnreachableError with what to install, or with the server's last words
 */
export async function startServer(files: ServerFiles, command: string, log: Logger): Promise<number> {
  await clearTheWay(files, log)
  const first = await launch(files, command, log)
  if (typeof first === 'number') return first
  const moved = first.cause === 'broken files' ? await moveAside(files.dir, DATA) : null
  if (moved === null) throw await notStarted(files, first)
  tellMoved(log, moved, first.words)
  const second = await launch(files, command, log)
  if (typeof second === 'number') return second
  throw await notStarted(files, second)
}

/** What is of another kind than it must be would stop the start, or hang it (a pipe). */
async function clearTheWay(files: ServerFiles, log: Logger): Promise<void> {
  const { dir, socketPath, pidFile, logFile } = files
  const appendOnly = await kindOf(join(dir, APPEND_ONLY_DIR))
  const inside = appendOnly === 'directory' ? await readdir(join(dir, APPEND_ONLY_DIR)).catch(() => []) : []
  const kinds = await Promise.all(inside.map((name) => kindOf(join(dir, APPEND_ONLY_DIR, name))))
  const isStrange = !['absent', 'directory'].includes(appendOnly) || kinds.some((kind) => kind !== 'file')
  const unusable: string[] = []
  for (const path of [pidFile, logFile]) if (!(await isWritableKind(path))) unusable.push(basename(path))
  const moved = await moveAside(dir, [...(isStrange ? DATA : []), ...unusable])
  if (moved !== null) tellMoved(log, moved, 'they were of another kind than Redis writes.')
  if ((await kindOf(socketPath)) !== 'directory') return
  const socket = await moveAside(dirname(socketPath), [basename(socketPath)])
  if (socket !== null) tellMoved(log, socket, 'a directory stood in place of its socket.')
}

/** A link is followed: the log may be elsewhere, or /dev/null. One that leads nowhere stops the start. */
async function isWritableKind(path: string): Promise<boolean> {
  if ((await kindOf(path)) === 'absent') return true
  const found = await stat(path).catch(() => null)
  return found !== null && (found.isFile() || found.isCharacterDevice())
}

function tellMoved(log: Logger, moved: string, why: string): void {
  log.warn(
    { event: 'redis.files_moved', moved, why, repeats: true },
    `the private Redis could not use its files; they are kept in ${moved}, and it starts empty: the store fills it again`,
  )
}

/** The older name of hash-max-listpack-value, which every version knows: a waiting job takes ~600 bytes instead of ~1,000. */
const SMALL_HASH_VALUES = ['--hash-max-ziplist-value', '1024']

/** Starts it in a session of its own (Ctrl-C in our terminal does not reach it), with files that only this user reads. */
async function launch(files: ServerFiles, command: string, log: Logger): Promise<number | StartFailure> {
  const settings = [
    ['--port', '0'],
    ['--unixsocket', files.socketPath],
    ['--unixsocketperm', '700'],
    ['--dir', files.dir],
    ['--pidfile', files.pidFile],
    ['--logfile', files.logFile],
    ['--appendonly', 'yes'],
    ['--appendfsync', 'everysec'],
    ['--save', ''],
    ['--maxmemory-policy', 'noeviction'],
    SMALL_HASH_VALUES,
  ].flat()
  const logged = await sizeOf(files.logFile)
  // The shell sets the umask and is replaced: the pid is the server's.
  const child = spawn('/bin/sh', ['-c', 'umask 077; exec "$0" "$@"', command, ...settings], {
    cwd: files.dir,
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  child.unref()
  const errors = readErrors(child)
  const ended = endOf(child)
  try {
    const failed = await untilUp(files, log, async () => {
      const end = ended()
      if (end === null) return null
      if (end.code === 127 || end.code === 126) throw new UnreachableError(await notInstalled())
      return explainFailure(`${await textFrom(files.logFile, logged)}\n${errors()}`, end.signal)
    })
    if (failed !== null) return failed
  } finally {
    child.stderr?.destroy()
  }
  if (child.pid === undefined) throw new UnreachableError('The private Redis did not start: no process was made.')
  return child.pid
}

/**
 * Waits while it loads its data: minutes for a big file, and always worth it.
 * @returns null when it is up, else what `failed` found
 */
export async function untilUp<Failure>(
  files: ServerFiles,
  log: Logger,
  failed: () => Promise<Failure | null>,
): Promise<Failure | null> {
  const startedAt = performance.now()
  let told = false
  for (;;) {
    const { state } = await stateOf(files.socketPath)
    if (state === 'up') return null
    const failure = await failed()
    if (failure !== null) return failure
    const waitedMs = performance.now() - startedAt
    if (state === 'loading') {
      if (!told) log.info({ event: 'redis.loading', dir: files.dir }, 'the private Redis is reading its data')
      told = true
    }
    if (waitedMs > (state === 'loading' ? LOADS_WITHIN_MS : STARTS_WITHIN_MS)) {
      throw new UnreachableError(
        `The private Redis in ${files.dir} did not come up within ${Math.round(waitedMs / 1000)} s: it said "${await lastWords(files.logFile)}".`,
      )
    }
    await sleep(20)
  }
}

const STARTS_WITHIN_MS = 15_000
const LOADS_WITHIN_MS = 5 * 60_000

interface End {
  readonly code: number
  readonly signal: NodeJS.Signals | null
}

function endOf(child: ChildProcess): () => End | null {
  let end: End | null = null
  child.once('error', () => {
    end = { code: 127, signal: null }
  })
  // Not `exit`: by then its last words on stderr may not have been read.
  child.once('close', (code, signal) => {
    end = { code: code ?? 1, signal }
  })
  return () => end
}

const LONGEST_ERRORS = 10_000

/** Its settings may not let it open its log. */
function readErrors(child: ChildProcess): () => string {
  let text = ''
  child.stderr?.on('data', (chunk: Buffer) => {
    text = `${text}${chunk.toString()}`.slice(0, LONGEST_ERRORS)
  })
  return () => text.trim()
}

async function notStarted(files: ServerFiles, { remedy, words }: StartFailure): Promise<UnreachableError> {
  const said = words === '' ? 'it said nothing' : `it said "${words}" (${files.logFile})`
  const next = remedy === null ? '' : ` Its files are in ${files.dir}: ${remedy}, then try again.`
  return new UnreachableError(`The private Redis did not start: ${said}.${next}`)
}

async function sizeOf(file: string): Promise<number> {
  return stat(file).then(
    ({ size }) => size,
    () => 0,
  )
}

async function textFrom(file: string, position: number): Promise<string> {
  const handle = await open(file).catch(() => null)
  if (handle === null) return ''
  try {
    const { size } = await handle.stat()
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(Math.min(size - position, LONGEST_ERRORS)), {
      position,
    })
    return buffer.toString('utf8', 0, bytesRead)
  } catch {
    return ''
  } finally {
    await handle.close()
  }
}

async function lastWords(logFile: string): Promise<string> {
  const text = await readFile(logFile, 'utf8').catch(() => '')
  return text.trim().split('\n').at(-1)?.trim() ?? ''
}

/** The exact command for this system; /etc/os-release is where Linux says which one it is. */
async function notInstalled(): Promise<string> {
  const about = process.platform === 'darwin' ? 'darwin' : await readFile('/etc/os-release', 'utf8').catch(() => '')
  return `No redis-server is installed: ${installCommand(about)}; or set TRACKYARD_REDIS_URL to a Redis that runs elsewhere.`
}

/** @param system `darwin`, or the text of /etc/os-release */
export function installCommand(system: string): string {
  if (system === 'darwin') return 'run `brew install redis`'
  const ids = [...system.matchAll(/^(?:ID|ID_LIKE)=(.*)$/gm)].map((match) => match[1]).join(' ')
  if (/debian|ubuntu/.test(ids)) return 'run `sudo apt-get install -y redis-server`'
  if (/fedora|rhel|centos/.test(ids)) return 'run `sudo dnf install -y redis`'
  if (/alpine/.test(ids)) return 'run `sudo apk add redis`'
  if (/arch/.test(ids)) return 'run `sudo pacman -S redis`'
  if (/suse/.test(ids)) return 'run `sudo zypper install redis`'
  return 'install Redis 6.2 or newer with the package manager of this system'
}

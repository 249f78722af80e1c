import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { UnreachableError } from '../domain/errors.js'
import type { Logger } from '../domain/logger.js'
import { stateOf } from './redis-socket.js'

/** One redis-server in a directory: its files, its settings, and the wait until it answers. */
export interface ServerFiles {
  /** redis/ in the data directory. */
  readonly dir: string
  readonly socketPath: string
  readonly pidFile: string
  readonly logFile: string
  readonly lockFile: string
}

/** The system's limit is 104 (macOS) or 108 bytes. */
const LONGEST_SOCKET_PATH = 100

/** @param dataDir as `realpath` gives it, so that every way to it comes to the same names */
export function serverFiles(dataDir: string): ServerFiles {
  const dir = join(dataDir, 'redis')
  const beside = join(dir, 'redis.sock')
  const name = createHash('sha256').update(dir).digest('hex').slice(0, 16)
  // A fixed place, not TMPDIR: two processes with different environments must look at the same socket.
  const socketPath = Buffer.byteLength(beside) > LONGEST_SOCKET_PATH ? `/tmp/trackyard-batch-${name}.sock` : beside
  return {
    dir,
    socketPath,
    pidFile: join(dir, 'redis.pid'),
    logFile: join(dir, 'redis.log'),
    lockFile: join(dir, 'redis.lock'),
  }
}

/** The older name of hash-max-listpack-value, which every version knows: a waiting job takes ~600 bytes instead of ~1,000. */
const SMALL_HASH_VALUES = ['--hash-max-ziplist-value', '1024']

/**
 * Starts it in a session of its own (Ctrl-C in our terminal does not reach it), with files that only this user reads.
 * @throws UnreachableError with what to install, or with the server's last words
 */
export async function startServer(files: ServerFiles, command: string, log: Logger): Promise<number> {
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
  // The shell sets the umask and is replaced: the pid is the server's.
  const child = spawn('/bin/sh', ['-c', 'umask 077; exec "$0" "$@"', command, ...settings], {
    cwd: files.dir,
    detached: true,
    stdio: 'ignore',
  })
  child.unref()
  const ended = endOf(child)
  await untilUp(files, log, async () => {
    const code = ended()
    if (code === 127 || code === 126) throw new UnreachableError(await notInstalled())
    if (code !== null) throw new UnreachableError(`The private Redis did not start: ${await lastWords(files.logFile)}`)
  })
  if (child.pid === undefined) throw new UnreachableError('The private Redis did not start: no process was made.')
  return child.pid
}

/** Waits while it loads its data: minutes for a big file, and always worth it. */
export async function untilUp(files: ServerFiles, log: Logger, check: () => Promise<void>): Promise<void> {
  const startedAt = performance.now()
  let told = false
  for (;;) {
    const { state } = await stateOf(files.socketPath)
    if (state === 'up') return
    await check()
    const waitedMs = performance.now() - startedAt
    if (state === 'loading') {
      if (!told) log.info({ dir: files.dir }, 'the private Redis is reading its data')
      told = true
    }
    if (waitedMs > (state === 'loading' ? LOADS_WITHIN_MS : STARTS_WITHIN_MS)) {
      throw new UnreachableError(
        `The private Redis in ${files.dir} did not come up within ${Math.round(waitedMs / 1000)} s: ${await lastWords(files.logFile)}`,
      )
    }
    await sleep(20)
  }
}

const STARTS_WITHIN_MS = 15_000
const LOADS_WITHIN_MS = 5 * 60_000

function endOf(child: ChildProcess): () => number | null {
  let code: number | null = null
  child.once('error', () => {
    code = 127
  })
  child.once('exit', (exitCode) => {
    code = exitCode ?? 1
  })
  return () => code
}

async function lastWords(logFile: string): Promise<string> {
  const text = await readFile(logFile, 'utf8').catch(() => '')
  const line = text.trim().split('\n').at(-1)?.trim() ?? ''
  return line === '' ? 'it said nothing.' : `it said "${line}" (${logFile}).`
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

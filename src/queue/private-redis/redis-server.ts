import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { constants, createReadStream } from 'node:fs'
import { access, readdir, readFile, stat } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { errorCode, UnreachableError } from '../../domain/errors.js'
import type { Logger } from '../../domain/logger.js'
import { stateOf } from './redis-socket.js'
import { moveAside, type ServerFiles, strangeKind } from './server-files.js'
import { readStartFailure, type StartFailure } from './start-failure.js'

/** Redis's data: a directory since Redis 7, before that one file. */
const APPEND_ONLY_DIR = 'appendonlydir'
const DATA = [APPEND_ONLY_DIR, 'appendonly.aof']

/**
 * Starts a redis-server in a directory and waits until it answers. The store is the source of truth, so Redis is
 * disposable: data that it cannot load is moved aside, once, and it starts empty.
 * @returns the pid of the running server
 * @throws UnreachableError with what to install, or with the server's last log line
 */
export async function startServer(files: ServerFiles, command: string, log: Logger): Promise<number> {
  await refuseUnusable(files)
  const first = await launch(files, command, log)
  if (typeof first === 'number') return first
  const moved = first.cause === 'broken files' ? await moveAside(files.dir, DATA) : null
  if (moved === null) throw notStarted(files, first)
  log.warn(
    { event: 'redis.files_moved', moved, why: first.lastError, repeats: true },
    `the private Redis could not use its files; they are kept in ${moved}. It starts empty and is filled from the store`,
  )
  const second = await launch(files, command, log)
  if (typeof second === 'number') return second
  throw notStarted(files, second)
}

/** What Redis itself does not name: it waits for a pipe for ever, and starts without a pid file that it cannot write. */
async function refuseUnusable({ dir, socketPath, pidFile, logFile }: ServerFiles): Promise<void> {
  const inside = await readdir(join(dir, APPEND_ONLY_DIR)).catch(() => [])
  const data = [...DATA, ...inside.map((name) => join(APPEND_ONLY_DIR, name))].map((name) => join(dir, name))
  for (const path of [socketPath, pidFile, logFile, ...data]) {
    const kind = await strangeKind(path)
    if (kind === null || (kind !== 'a pipe' && data.includes(path))) continue
    throw new UnreachableError(`The private Redis did not start: ${path} is ${kind}. Remove it, then try again.`)
  }
}

/** The older name of hash-max-listpack-value, which every version knows: a waiting job takes ~600 bytes instead of ~1,000. */
const SMALL_HASH_VALUES = ['--hash-max-ziplist-value', '1024']

/** Starts it in its own session (Ctrl-C in our terminal does not reach it). Only this user may read its files. */
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
    // A crash ends it at once. Redis's report of a crash reads broken memory, and can stop in the middle for ever.
    ['--crash-log-enabled', 'no'],
  ].flat()
  const logged = await sizeOf(files.logFile)
  // The shell sets the umask and is replaced by `exec`, so the pid is the server's.
  const { child, pid } = await createProcess(() =>
    spawn('/bin/sh', ['-c', 'umask 077; exec "$0" "$@"', command, ...settings], {
      cwd: files.dir,
      detached: true,
      stdio: ['ignore', 'ignore', 'pipe'],
    }),
  )
  child.unref()
  const ended = endOf(child)
  try {
    const failed = await waitUntilUp(files, log, async () => {
      const end = ended()
      if (end === null) return null
      if (end.code === 127 || end.code === 126) throw new UnreachableError(await notInstalled())
      return readStartFailure(`${await textFrom(files.logFile, logged)}\n${end.errors}`, end.signal)
    })
    if (failed !== null) return failed
  } finally {
    child.stderr?.destroy()
  }
  return pid
}

/** Node throws some failures and emits others. @throws UnreachableError, as for EAGAIN, EMFILE and ENOMEM */
async function createProcess(create: () => ChildProcess): Promise<{ child: ChildProcess; pid: number }> {
  try {
    const child = create()
    if (child.pid !== undefined) return { child, pid: child.pid }
    const [error] = await once(child, 'error')
    throw error
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new UnreachableError(
      `The private Redis did not start: the system created no process for it (${reason}). Check memory and the limits of this user (\`ulimit -a\`), then try again.`,
      { cause: error },
    )
  }
}

/**
 * Waits until the server is up. Loading a big file may take minutes, and is always worth the wait.
 * @returns null when it is up, else the result of `failed`
 */
export async function waitUntilUp<Failure>(
  files: ServerFiles,
  log: Logger,
  failed: () => Promise<Failure | null>,
): Promise<Failure | null> {
  const startedAt = performance.now()
  let logged = false
  for (;;) {
    const { state } = await stateOf(files.socketPath)
    if (state === 'up') return null
    const failure = await failed()
    if (failure !== null) return failure
    const waitedMs = performance.now() - startedAt
    if (state === 'loading') {
      if (!logged) log.info({ event: 'redis.loading', dir: files.dir }, 'the private Redis is loading its data')
      logged = true
    }
    if (waitedMs > (state === 'loading' ? LOADS_WITHIN_MS : STARTS_WITHIN_MS)) {
      throw new UnreachableError(
        `The private Redis in ${files.dir} did not come up within ${Math.round(waitedMs / 1000)} s: its last log line is "${await lastLineOf(files.logFile)}".`,
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
  /** From stderr: errors before it opened its log. */
  readonly errors: string
}

const LONGEST_ERRORS = 10_000

/** @returns how the process ended; null while it runs */
function endOf(child: ChildProcess): () => End | null {
  let errors = ''
  let end: End | null = null
  child.stderr?.on('data', (chunk: Buffer) => {
    errors = `${errors}${chunk.toString()}`.slice(0, LONGEST_ERRORS)
  })
  // Not `exit`: at that time stderr may not have been read to its end.
  child.once('close', (code, signal) => {
    end = { code: code ?? 1, signal, errors: errors.trim() }
  })
  return () => end
}

function notStarted(files: ServerFiles, { remedy, lastError }: StartFailure): UnreachableError {
  const said = lastError === '' ? 'it logged no reason' : `it said "${lastError}" (${files.logFile})`
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
  return text(createReadStream(file, { start: position, end: position + LONGEST_ERRORS - 1 })).catch(() => '')
}

async function lastLineOf(logFile: string): Promise<string> {
  const log = await readFile(logFile, 'utf8').catch(() => '')
  return log.trim().split('\n').at(-1)?.trim() ?? ''
}

/** Looks for the program without running it, which would take 80 ms of CPU. */
export async function isInstalled(searchPath: string): Promise<boolean> {
  const found = searchPath.split(delimiter).map((directory) => access(join(directory, 'redis-server'), constants.X_OK))
  return Promise.any(found).then(
    () => true,
    () => false,
  )
}

/** Null: redis-server is not installed. */
export async function installedVersion(): Promise<string | null> {
  try {
    const { stdout } = await promisify(execFile)('redis-server', ['--version'])
    return /v=(\S+)/.exec(stdout)?.[1] ?? UNKNOWN_VERSION
  } catch (error) {
    return ['ENOENT', 'EACCES'].includes(errorCode(error)) ? null : UNKNOWN_VERSION
  }
}

const UNKNOWN_VERSION = 'of unknown version'

/** Names the exact command for this system, which Linux describes in /etc/os-release. */
export async function notInstalled(): Promise<string> {
  const about = process.platform === 'darwin' ? 'darwin' : await readFile('/etc/os-release', 'utf8').catch(() => '')
  return `redis-server is not installed. ${installCommand(about)}, or set TRACKYARD_REDIS_URL to a Redis that is running elsewhere.`
}

/** @param system `darwin`, or the text of /etc/os-release */
export function installCommand(system: string): string {
  if (system === 'darwin') return 'Run `brew install redis`'
  const ids = [...system.matchAll(/^(?:ID|ID_LIKE)=(.*)$/gm)].map((match) => match[1]).join(' ')
  if (/debian|ubuntu/.test(ids)) return 'Run `sudo apt-get install -y redis-server`'
  if (/fedora|rhel|centos/.test(ids)) return 'Run `sudo dnf install -y redis`'
  if (/alpine/.test(ids)) return 'Run `sudo apk add redis`'
  if (/arch/.test(ids)) return 'Run `sudo pacman -S redis`'
  if (/suse/.test(ids)) return 'Run `sudo zypper install redis`'
  return 'Install Redis 6.2 or newer with the package manager of this system'
}

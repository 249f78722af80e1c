import { mkdir, readFile, realpath, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { UnreachableError } from '../../domain/errors.js'
import type { Logger } from '../../domain/logger.js'
import { factsOf } from '../redis-error.js'
import { withFileLock } from './file-lock.js'
import { startServer, waitUntilUp } from './redis-server.js'
import { askToEnd, keepInMemory, stateOf } from './redis-socket.js'
import {
  checkSocketDirectory,
  isServerOf,
  makeSocketDirectory,
  recordedServer,
  type ServerFiles,
  serverFiles,
  wasStartedFor,
} from './server-files.js'

/**
 * A private Redis in the data directory, for users without one. A second server would unlink the first
 * one's socket and append to the same file. So check and start happen under one lock, and nothing is started while
 * anything listens on the socket or the process in the pid file is alive.
 */
export interface PrivateRedis {
  readonly socketPath: string
  readonly pid: number
}

const LOCK_PATIENCE_MS = 30_000
const EXITS_WITHIN_MS = 2000
const ENDS_WITHIN_MS = 30_000
const CHECK_EVERY_MS = 2000

/** @throws UnreachableError: not installed, did not start, or one runs that cannot be reached */
export async function startOrConnectPrivateRedis(options: {
  readonly dataDir: string
  readonly log: Logger
  /** The server program. Default redis-server. */
  readonly command?: string
  /** This is a restart. */
  readonly again?: true
}): Promise<PrivateRedis & { readonly started: boolean }> {
  const { log, command = 'redis-server', again = false } = options
  await mkdir(options.dataDir, { recursive: true, mode: 0o700 })
  const files = await filesOf(await realpath(options.dataDir))
  return recordFailure(files, async () => {
    await mkdir(files.dir, { recursive: true, mode: 0o700 })
    const { socketPath } = files
    await makeSocketDirectory(files)
    const running = await stateOf(socketPath)
    if (running.state === 'up') return { socketPath, pid: running.pid, started: false }
    return withFileLock(files.lockFile, LOCK_PATIENCE_MS, async () => {
      const found = await waitWhileLoading(files, log)
      if (found !== null) return { socketPath, pid: found, started: false }
      const pid = await startServer(files, command, log)
      log.info(
        { event: 'redis.started', redisPid: pid, socketPath, repeats: again ? 'again' : true },
        'the private Redis was started',
      )
      return { socketPath, pid, started: true }
    })
  })
}

/** Null when none is running. Starts nothing. @throws UnreachableError when one runs that cannot be reached, or its socket is not safe to use */
export async function findPrivateRedis(options: { readonly dataDir: string }): Promise<PrivateRedis | null> {
  const files = await filesIn(options.dataDir)
  if (files === null) return null
  const pid = await runningPid(files)
  return pid === null ? null : { socketPath: files.socketPath, pid }
}

/** Why the last start failed, one sentence, for commands that do not start it; null: no start failed lately. */
export async function lastStartFailure(options: { readonly dataDir: string }): Promise<string | null> {
  const file = failureFile(options.dataDir)
  const { mtimeMs } = await stat(file).catch(() => ({ mtimeMs: 0 }))
  if (Date.now() - mtimeMs > FAILURE_TTL_MS) return null
  return readFile(file, 'utf8').catch(() => null)
}

/** Stops it after it has written its data to disk. False when none is running. */
export async function stopPrivateRedis(options: { readonly dataDir: string }): Promise<boolean> {
  const files = await filesIn(options.dataDir)
  if (files === null) return false
  return withFileLock(files.lockFile, LOCK_PATIENCE_MS, async () => {
    const pid = await runningPid(files)
    if (pid === null) return false
    await askToEnd(files.socketPath)
    const deadline = performance.now() + ENDS_WITHIN_MS
    while (await isServerOf(pid, files)) {
      if (performance.now() > deadline) {
        throw new UnreachableError(
          `The private Redis (pid ${pid}) was asked to stop and is still running. See ${files.logFile}.`,
        )
      }
      await sleep(20)
    }
    return true
  })
}

/**
 * Before a stop on a full disk: until it ends, the private Redis keeps changes in memory, or it would refuse even the
 * request to stop. What the file lacks then is restored from the store.
 */
export async function stopWritingToDisk(options: { readonly dataDir: string }): Promise<void> {
  const files = await filesIn(options.dataDir)
  if (files === null) return
  await keepInMemory(files.socketPath)
}

/** Checks every two seconds and restarts it when it has died. A failure is logged, and the next check tries again. */
export async function keepPrivateRedis(options: {
  readonly dataDir: string
  readonly log: Logger
  readonly everyMs?: number
}): Promise<{ stop(): Promise<void> }> {
  const { dataDir, log, everyMs = CHECK_EVERY_MS } = options
  const ending = new AbortController()

  let lastPid = (await findPrivateRedis({ dataDir }).catch(() => null))?.pid ?? null

  async function check(): Promise<void> {
    try {
      const { started, pid } = await startOrConnectPrivateRedis({ dataDir, log, again: true })
      if (lastPid !== null && lastPid !== pid) await endOrphan(lastPid, dataDir)
      lastPid = pid
      if (started)
        log.warn(
          { event: 'redis.restarted', redisPid: pid, repeats: true },
          'the private Redis had died and was restarted',
        )
    } catch (error) {
      log.error(
        { event: 'redis.start_failed', problem: String(error), repeats: true },
        'the private Redis is down and cannot be started; trying again in 2 s',
      )
    }
  }

  async function watch(): Promise<void> {
    while (!ending.signal.aborted) {
      await sleep(everyMs, undefined, { signal: ending.signal }).catch(() => {})
      if (!ending.signal.aborted) await check()
    }
  }

  const watching = watch()
  return {
    stop: async () => {
      ending.abort()
      await watching
    },
  }
}

/**
 * After the data directory was deleted or moved, its server would run forever, out of reach of all but the processes
 * that are connected to it: these must come to the new one. Killed, since a server that ends by itself removes its socket
 * and pid file, and those at that place are the new server's.
 */
async function endOrphan(pid: number, dataDir: string): Promise<void> {
  const files = await filesIn(dataDir)
  if (files !== null && (await wasStartedFor(pid, files))) process.kill(pid, 'SIGKILL')
}

/** Waits while a server loads. @returns its pid; null when none is running. @throws UnreachableError when starting one would be unsafe */
async function waitWhileLoading(files: ServerFiles, log: Logger): Promise<number | null> {
  const { state } = await stateOf(files.socketPath)
  if (state === 'silent') throw await unreachable(files, state)
  if (state === 'loading') await waitUntilUp(files, log, async () => null)
  return runningPid(files)
}

/** Null when none is running. @throws UnreachableError when one runs that cannot be reached */
async function runningPid(files: ServerFiles): Promise<number | null> {
  const deadline = performance.now() + EXITS_WITHIN_MS
  for (;;) {
    const now = await stateOf(files.socketPath)
    if (now.state === 'up') return now.pid
    // A process without a socket may be starting or exiting, so wait a moment.
    if (now.state === 'absent' && (await recordedServer(files)) === null) return null
    if (performance.now() > deadline) throw await unreachable(files, now.state)
    await sleep(50)
  }
}

async function unreachable(files: ServerFiles, state: string): Promise<UnreachableError> {
  const pid = (await recordedServer(files)) ?? 'unknown'
  if (state === 'loading')
    return new UnreachableError(`The private Redis (pid ${pid}) is still loading its data. Try again in a moment.`)
  return new UnreachableError(
    `The private Redis (pid ${pid}) is running, but its socket ${files.socketPath} is ${state}, so nobody can tell what workers do. ` +
      `End that process (\`kill ${pid === 'unknown' ? 'PID' : pid}\`); running workers start it again within seconds.`,
  )
}

/** Null: there are none. @throws UnreachableError when the socket is not safe to use */
async function filesIn(dataDir: string): Promise<ServerFiles | null> {
  const real = await realpath(dataDir).catch(() => null)
  if (real === null) return null
  const files = await filesOf(real)
  const exists = await stat(files.dir).then(
    (found) => found.isDirectory(),
    () => false,
  )
  if (!exists) return null
  await checkSocketDirectory(files)
  return files
}

async function filesOf(dataDir: string): Promise<ServerFiles> {
  return serverFiles(dataDir, (await stat(dataDir)).uid)
}

/** A worker retries a failed start every two seconds. A failure older than this is over. */
const FAILURE_TTL_MS = 60_000

/** Beside the directory, since the directory itself may be the problem. */
function failureFile(dataDir: string): string {
  return join(dataDir, 'redis.start-failure')
}

/** Writes a failed start to a file for `status`, which starts nothing. */
async function recordFailure<Result>(files: ServerFiles, work: () => Promise<Result>): Promise<Result> {
  try {
    const result = await work()
    await rm(failureFile(dirname(files.dir)), { force: true }).catch(() => {})
    return result
  } catch (error) {
    const explained = explainFileError(error, files)
    if (explained instanceof UnreachableError)
      await writeFile(failureFile(dirname(files.dir)), explained.message).catch(() => {})
    throw explained
  }
}

/** A system error about these files is not a bug. */
function explainFileError(error: unknown, { dir }: ServerFiles): unknown {
  const { code, message } = factsOf(error)
  if (error instanceof UnreachableError || !/^(E[A-Z]+|SQLITE_\w+)$/.test(code)) return error
  return new UnreachableError(
    `The private Redis cannot use ${dir} (${message}): make it a directory of this user with free space, or move it away.`,
    { cause: error },
  )
}

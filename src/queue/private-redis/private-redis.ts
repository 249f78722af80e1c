import { mkdir, readFile, realpath, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { UnreachableError } from '../../domain/errors.js'
import type { Logger } from '../../domain/logger.js'
import { factsOf } from '../error-facts.js'
import { checkSocketPlace, makeSocketPlace } from '../socket-place.js'
import { lives, withExclusiveLock } from './exclusive-lock.js'
import { recordedServer } from './recorded-server.js'
import { type ServerFiles, serverFiles, startServer, untilUp } from './redis-server.js'
import { askToEnd, stateOf } from './redis-socket.js'

/**
 * A Redis of our own in the data directory, for who has none. A second server would unlink the first
 * one's socket and append to the same file, so looking and starting happen under one lock, and where
 * anything listens or the recorded process lives, nothing is started.
 */
export interface PrivateRedis {
  readonly socketPath: string
  readonly pid: number
}

const LOCK_PATIENCE_MS = 30_000
const LEAVES_WITHIN_MS = 2000
const ENDS_WITHIN_MS = 30_000
const LOOK_EVERY_MS = 2000

/** @throws UnreachableError: not installed, did not start, or one runs that cannot be reached */
export async function startOrConnectPrivateRedis(options: {
  readonly dataDir: string
  readonly log: Logger
  /** The server program. Default redis-server. */
  readonly command?: string
  /** One has run before. */
  readonly again?: true
}): Promise<PrivateRedis & { readonly started: boolean }> {
  const { log, command = 'redis-server', again = false } = options
  await mkdir(options.dataDir, { recursive: true, mode: 0o700 })
  const files = await filesOf(await realpath(options.dataDir))
  return notingTrouble(files, async () => {
    await mkdir(files.dir, { recursive: true, mode: 0o700 })
    const { socketPath } = files
    await makeSocketPlace(socketPath, files.dir, files.owner)
    const running = await stateOf(socketPath)
    if (running.state === 'up') return { socketPath, pid: running.pid, started: false }
    return withExclusiveLock(files.lockFile, LOCK_PATIENCE_MS, async () => {
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

/** The running one; null when none runs. Starts nothing. @throws UnreachableError where its socket is not safe to use */
export async function findPrivateRedis(options: { readonly dataDir: string }): Promise<PrivateRedis | null> {
  const files = await filesIn(options.dataDir)
  if (files === null) return null
  await checkSocketPlace(files.socketPath, files.dir, files.owner)
  const now = await stateOf(files.socketPath)
  return now.state === 'up' ? { socketPath: files.socketPath, pid: now.pid } : null
}

/** Why it could not be started lately, one sentence, for commands that do not start it; null: nobody has tried in vain. */
export async function privateRedisTrouble(options: { readonly dataDir: string }): Promise<string | null> {
  const file = troubleFile(options.dataDir)
  const { mtimeMs } = await stat(file).catch(() => ({ mtimeMs: 0 }))
  if (Date.now() - mtimeMs > TROUBLE_IS_RECENT_MS) return null
  return readFile(file, 'utf8').catch(() => null)
}

/** Ends it, with everything on disk. False when none runs. */
export async function stopPrivateRedis(options: { readonly dataDir: string }): Promise<boolean> {
  const files = await filesIn(options.dataDir)
  if (files === null) return false
  await checkSocketPlace(files.socketPath, files.dir, files.owner)
  return withExclusiveLock(files.lockFile, LOCK_PATIENCE_MS, async () => {
    const now = await stateOf(files.socketPath)
    if (now.state === 'absent') return false
    if (now.state !== 'up') throw await unreachable(files, now.state)
    await askToEnd(files.socketPath)
    const deadline = performance.now() + ENDS_WITHIN_MS
    while (lives(now.pid)) {
      if (performance.now() > deadline) {
        throw new UnreachableError(
          `The private Redis (pid ${now.pid}) was told to end and still runs; see ${files.logFile}.`,
        )
      }
      await sleep(20)
    }
    return true
  })
}

/** Looks every two seconds and starts it again when it has died. Problems are logged, and the next look tries again. */
export function keepPrivateRedis(options: {
  readonly dataDir: string
  readonly log: Logger
  readonly everyMs?: number
}): { stop(): Promise<void> } {
  const { dataDir, log, everyMs = LOOK_EVERY_MS } = options
  const ending = new AbortController()

  async function look(): Promise<void> {
    try {
      const { started, pid } = await startOrConnectPrivateRedis({ dataDir, log, again: true })
      if (started)
        log.warn(
          { event: 'redis.restarted', redisPid: pid, repeats: true },
          'the private Redis had died and was started again',
        )
    } catch (error) {
      log.error(
        { event: 'redis.start_failed', problem: String(error), repeats: true },
        'the private Redis is away and cannot be started',
      )
    }
  }

  async function watch(): Promise<void> {
    while (!ending.signal.aborted) {
      await sleep(everyMs, undefined, { signal: ending.signal }).catch(() => {})
      if (!ending.signal.aborted) await look()
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

/** The pid of a server that is up once it has loaded; null when none is there. @throws UnreachableError where starting one would be wrong */
async function waitWhileLoading(files: ServerFiles, log: Logger): Promise<number | null> {
  const { state } = await stateOf(files.socketPath)
  if (state === 'silent') throw await unreachable(files, state)
  if (state === 'loading') await untilUp(files, log, async () => null)
  const now = await stateOf(files.socketPath)
  if (now.state === 'up') return now.pid
  // No socket: it may be on its way out, which is worth a moment.
  const deadline = performance.now() + LEAVES_WITHIN_MS
  while ((await recordedServer(files)) !== null) {
    if (performance.now() > deadline) throw await unreachable(files, now.state)
    await sleep(50)
  }
  return null
}

async function unreachable(files: ServerFiles, state: string): Promise<UnreachableError> {
  const pid = await recordedServer(files)
  return new UnreachableError(
    `The private Redis (pid ${pid ?? 'unknown'}) runs, but its socket ${files.socketPath} is ${state}: end that process (\`kill ${pid ?? 'PID'}\`), then try again.`,
  )
}

async function filesIn(dataDir: string): Promise<ServerFiles | null> {
  const real = await realpath(dataDir).catch(() => null)
  if (real === null) return null
  const files = await filesOf(real)
  const exists = await stat(files.dir).then(
    (found) => found.isDirectory(),
    () => false,
  )
  return exists ? files : null
}

async function filesOf(dataDir: string): Promise<ServerFiles> {
  return serverFiles(dataDir, (await stat(dataDir)).uid)
}

/** A worker that cannot start it tries again and again; this long after the last time it has given up. */
const TROUBLE_IS_RECENT_MS = 60_000

/** Beside the directory, which may be what is wrong. */
function troubleFile(dataDir: string): string {
  return join(dataDir, 'redis.trouble')
}

/** Leaves word for `status`, which starts nothing, and so would not know. */
async function notingTrouble<Result>(files: ServerFiles, work: () => Promise<Result>): Promise<Result> {
  try {
    const result = await work()
    await rm(troubleFile(dirname(files.dir)), { force: true }).catch(() => {})
    return result
  } catch (error) {
    const told = sayWhatIsInTheWay(error, files)
    if (told instanceof UnreachableError) await writeFile(troubleFile(dirname(files.dir)), told.message).catch(() => {})
    throw told
  }
}

/** What the system refuses about these files is no bug. */
function sayWhatIsInTheWay(error: unknown, { dir }: ServerFiles): unknown {
  const { code, message } = factsOf(error)
  if (error instanceof UnreachableError || !/^E[A-Z]+$/.test(code)) return error
  return new UnreachableError(
    `The private Redis cannot use ${dir} (${message}): make it a directory of this user with some space left, or move it away.`,
    { cause: error },
  )
}

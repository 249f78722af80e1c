import type { Cleanup } from '../app/cleanup.js'
import type { Settings } from '../config/settings.js'
import { applyRateLimit } from '../control/rate-limit.js'
import { systemClock } from '../domain/clock.js'
import { type ExitCode, UnreachableError } from '../domain/errors.js'
import { type Logger, silentLogger } from '../domain/logger.js'
import { withTimeout } from '../domain/with-timeout.js'
import { requireOwnRedis } from '../maintenance/redis-recovery.js'
import type { SearchQueue } from '../queue/search-queue.js'
import type { Store } from '../store/store.js'
import type { Cli } from './cli.js'

/**
 * What a short command works with: settings and store; the queue on demand. All are closed at its
 * end.
 */
export interface Session {
  readonly settings: Settings
  readonly store: Store
  /** Silent unless TRACKYARD_LOG_LEVEL=debug: a command prints its own messages. */
  readonly log: Logger
  readonly cleanup: Cleanup
  readonly now: () => number
}

/**
 * How long to wait for the store's lock. Ctrl-C is not handled meanwhile, but a half-loaded catalog
 * is worth it.
 */
const PATIENCE_MS = 5000

/** Imports the parts lazily: they load BullMQ and SQLite. */
export async function withSession(cli: Cli, use: (session: Session) => Promise<ExitCode>): Promise<ExitCode> {
  const { settingsOf, logOf } = await import('../app/entry.js')
  const { withCleanup } = await import('../app/cleanup.js')
  const { openConfiguredStore } = await import('../app/parts.js')
  const settings = settingsOf(cli.io)
  cli.debug = settings.logLevel === 'debug'
  const debugLog = cli.debug ? logOf(settings, surroundingsOf(cli).stderr) : null
  const log = debugLog ?? silentLogger
  return withCleanup(async (cleanup) => {
    cleanup.add(() => debugLog?.flush())
    const store = await openConfiguredStore(settings, log, cleanup, { patienceMs: PATIENCE_MS })
    const result = await use({ settings, store, log, cleanup, now: systemClock.now })
    await cleanup.runAll()
    return result
  })
}

/** For long-running processes, which write a log. */
export function surroundingsOf(cli: Cli): {
  readonly env: Cli['io']['env']
  readonly cwd: string
  readonly stderr: NodeJS.WriteStream
} {
  const { env, cwd, stderr } = cli.io
  return { env, cwd, stderr: stderr as NodeJS.WriteStream }
}

/** The queue, if it is running; nothing is started. */
export interface Delivery {
  /** Null if it is not running or unreachable. */
  readonly queue: SearchQueue | null
  /** Why it is unreachable; null if it is reachable, or if the private Redis is not running. */
  readonly trouble: UnreachableError | null
}

/** @throws ConfigurationError if Redis belongs to another store */
export async function runningQueue(session: Session): Promise<Delivery> {
  const { openRunningQueue, startTrouble } = await import('../app/parts.js')
  try {
    const queue = await openRunningQueue(session.settings, session.log, session.cleanup)
    if (queue === null) return { queue, trouble: await startTrouble(session.settings) }
    await answering(queue, requireOwnRedis({ ...session, queue }))
    return { queue, trouble: null }
  } catch (error) {
    if (error instanceof UnreachableError) return { queue: null, trouble: error }
    throw error
  }
}

const ANSWER_WITHIN_MS = 5000

/**
 * Limits how long `work` may wait for Redis: the connection retries for a long time once it has
 * been established.
 * @throws UnreachableError if Redis does not answer in time
 */
export function answering<T>(queue: SearchQueue, work: Promise<T>): Promise<T> {
  return withTimeout(ANSWER_WITHIN_MS, work, `${queue.registry.describe()} does not answer. Check that it is running.`)
}

export function recoveryParts(session: Session, queue: SearchQueue) {
  const setRate = () => applyRateLimit({ ...session, queue, rateLimit: session.settings.rateLimit })
  return { ...session, queue, setRate }
}

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

/** What a short command works with: the settings and the record, the delivery on demand; all closed at its end. */
export interface Session {
  readonly settings: Settings
  readonly store: Store
  /** Silent, unless TRACKYARD_LOG_LEVEL=debug: a command speaks for itself. */
  readonly log: Logger
  readonly cleanup: Cleanup
  readonly now: () => number
}

/** For the store's lock. A catalog half loaded is worth the wait; a command hears no Ctrl-C meanwhile. */
const PATIENCE_MS = 5000

/** The parts are imported here, late: they bring the queue and the database along. */
export async function withSession(cli: Cli, use: (session: Session) => Promise<ExitCode>): Promise<ExitCode> {
  const { settingsOf, logOf } = await import('../app/entry.js')
  const { withCleanup } = await import('../app/cleanup.js')
  const { openConfiguredStore } = await import('../app/parts.js')
  const settings = settingsOf(cli.io)
  cli.debug = settings.logLevel === 'debug'
  const spoken = cli.debug ? logOf(settings, surroundingsOf(cli).stderr) : null
  const log = spoken ?? silentLogger
  return withCleanup(async (cleanup) => {
    cleanup.add(() => spoken?.flush())
    const store = await openConfiguredStore(settings, log, cleanup, { patienceMs: PATIENCE_MS })
    const result = await use({ settings, store, log, cleanup, now: systemClock.now })
    await cleanup.runAll()
    return result
  })
}

/** For the long-running processes, which speak through their log. */
export function surroundingsOf(cli: Cli): {
  readonly env: Cli['io']['env']
  readonly cwd: string
  readonly stderr: NodeJS.WriteStream
} {
  const { env, cwd, stderr } = cli.io
  return { env, cwd, stderr: stderr as NodeJS.WriteStream }
}

/** The delivery as it stands; nothing is started for it. */
export interface Delivery {
  /** Null: not to be had. */
  readonly queue: SearchQueue | null
  /** What to say about it; null when all is well, and when the private Redis simply does not run. */
  readonly trouble: UnreachableError | null
}

/** @throws ConfigurationError when this Redis holds another store's window */
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
 * Once it was reached, an absent Redis keeps its callers waiting for its return; a look goes on without it.
 * @throws UnreachableError when it does not answer in time
 */
export function answering<T>(queue: SearchQueue, work: Promise<T>): Promise<T> {
  return withTimeout(ANSWER_WITHIN_MS, work, `${queue.registry.describe()} does not answer: check that it runs.`)
}

export function recoveryParts(session: Session, queue: SearchQueue) {
  const setRate = () => applyRateLimit({ ...session, queue, rateLimit: session.settings.rateLimit })
  return { ...session, queue, setRate }
}

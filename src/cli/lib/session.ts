import { existsSync } from 'node:fs'
import { withCleanup } from '../../app/cleanup.js'
import type { Service } from '../../app/service.js'
import type { Session } from '../../app/session.js'
import type { Settings } from '../../config/settings.js'
import type { ExitCode } from '../../domain/errors.js'
import { type Logger, silentLogger } from '../../domain/logger.js'
import type { Cli } from './cli.js'

/**
 * How long to wait for the store's lock. Ctrl-C is not handled meanwhile, but a half-loaded catalog
 * is worth it.
 */
const PATIENCE_MS = 5000

/**
 * The parts of the program load SQLite and the settings' parser, so `--help` must not import them:
 * commands reach them through here only. The log is silent unless TRACKYARD_LOG_LEVEL=debug: a
 * command prints its own messages.
 */
export function withSession(cli: Cli, use: (session: Session) => Promise<ExitCode>): Promise<ExitCode> {
  return openAndUse(cli, use, false)
}

/** For a command that needs a batch: creates no store. */
export function withExistingStore(cli: Cli, use: (session: Session) => Promise<ExitCode>): Promise<ExitCode> {
  return openAndUse(cli, use, true)
}

async function openAndUse(
  cli: Cli,
  use: (session: Session) => Promise<ExitCode>,
  mustExist: boolean,
): Promise<ExitCode> {
  const { settingsOf, logOf } = await import('../../app/entry.js')
  const { openSession, storePath } = await import('../../app/parts.js')
  const settings = settingsOf(cli.io)
  cli.debug = settings.logLevel === 'debug'
  const debugLog = cli.debug ? await logOf(settings, cli.io.stderr) : null
  const log = debugLog ?? silentLogger
  const isNew = settings.databaseUrl === null && !existsSync(storePath(settings))
  return withCleanup(async (cleanup) => {
    cleanup.add(() => debugLog?.flush())
    const session = await openSession(settings, log, cleanup, { patienceMs: PATIENCE_MS, mustExist })
    if (isNew) cli.say(`Created a new store in ${settings.dataDir} (TRACKYARD_DATA_DIR).`)
    return await use(session)
  })
}

/** Runs a service, which writes a log, until a signal stops it. */
export async function runInForeground(
  cli: Cli,
  start: (settings: Settings, log: Logger, interrupted: AbortSignal) => Promise<Service>,
): Promise<ExitCode> {
  const { runProcess } = await import('../../app/entry.js')
  return runProcess(cli.io, (settings, ...more) => {
    cli.detail(`data directory: ${settings.dataDir}`)
    return start(settings, ...more)
  })
}

import type { Writable } from 'node:stream'
import { type Environment, readEnvironment } from '../config/env-file.js'
import { exposures } from '../config/exposures.js'
import { loadSettings } from '../config/load-settings.js'
import { type Settings, secretTexts } from '../config/settings.js'
import { useTimeZone } from '../config/time-zone.js'
import { type ExitCode, ReportedError } from '../domain/errors.js'
import { type Logger, silentLogger } from '../domain/logger.js'
import type { Log } from '../log/log.js'
import { runService } from './process.js'
import type { Service } from './service.js'

/** What a process finds around it: the real one for entry points, a fake for tests. */
export interface ProcessContext {
  readonly env: Environment
  /** May be a getter that throws a ReportedError, so it is read only when needed. */
  readonly cwd: string
  readonly stderr: Writable & { readonly isTTY?: boolean }
}

/**
 * The settings of this process: from the environment, then from `.env` in the working directory.
 */
export function settingsOf(surroundings: Pick<ProcessContext, 'env' | 'cwd'>): Settings {
  const settings = loadSettings(readEnvironment(surroundings))
  useTimeZone(settings.timeZone)
  return settings
}

/**
 * The log of this process, on stderr: pretty on a terminal, JSON lines elsewhere, secrets redacted.
 */
export async function logOf(settings: Settings, stderr: ProcessContext['stderr']): Promise<Log> {
  // A command that writes no log does not load pino.
  const { openLog } = await import('../log/log.js')
  return openLog({ level: settings.logLevel, pretty: stderr.isTTY === true, secrets: secretTexts(settings) })
}

/**
 * Runs a long-running process, from settings to exit code. All errors in the settings are reported
 * at once.
 */
export async function runProcess(
  surroundings: ProcessContext,
  start: (settings: Settings, log: Logger, interrupted: AbortSignal) => Promise<Service>,
): Promise<ExitCode> {
  // A closed terminal must not end the process while calls are in flight.
  surroundings.stderr.on('error', () => {})
  try {
    const settings = settingsOf(surroundings)
    const log = await logOf(settings, surroundings.stderr)
    // The parent of a child has logged these already.
    if (process.send === undefined)
      for (const exposed of exposures(settings, surroundings)) log.warn({ event: 'config.exposed' }, exposed)
    const code = await runService((interrupted) => start(settings, log, interrupted), {
      log: settings.logLevel === 'silent' ? onlyErrors(surroundings) : log,
      graceMs: settings.shutdownGraceMs,
    })
    log.flush()
    return code
  } catch (error) {
    if (!(error instanceof ReportedError)) throw error
    surroundings.stderr.write(`${error.message}\n`)
    return error.exitCode
  }
}

/** Always prints fatal errors, even at level silent. */
function onlyErrors({ stderr }: ProcessContext): Logger {
  return { ...silentLogger, error: (_facts, message) => void stderr.write(`${message}\n`) }
}

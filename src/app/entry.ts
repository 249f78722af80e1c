import { type Environment, readEnvironment } from '../config/env-file.js'
import { exposures } from '../config/exposures.js'
import { loadSettings } from '../config/load-settings.js'
import { type Settings, secretTexts } from '../config/settings.js'
import { type ExitCode, ReportedError } from '../domain/errors.js'
import { type Logger, silentLogger } from '../domain/logger.js'
import { type Log, openLog } from '../log/log.js'
import { runService } from './process.js'
import type { Service } from './service.js'

/** What a process brings along; entry points pass theirs, tests pass their own. */
export interface Surroundings {
  readonly env: Environment
  /** May throw a ReportedError: it is asked for when it is needed. */
  readonly cwd: string
  readonly stderr: NodeJS.WriteStream
}

/** The settings of this process: the environment, and behind it a `.env` in the working directory. */
export function settingsOf(surroundings: Pick<Surroundings, 'env' | 'cwd'>): Settings {
  return loadSettings(readEnvironment({ env: surroundings.env, directory: surroundings.cwd }))
}

/** The log of this process: to stderr, for eyes on a terminal, as JSON lines elsewhere; no secret passes. */
export function logOf(settings: Settings, stderr: NodeJS.WriteStream): Log {
  return openLog({ level: settings.logLevel, pretty: stderr.isTTY === true, secrets: secretTexts(settings) })
}

/** A whole long-running process, from settings to exit code. A configuration that cannot work is said in one go. */
export async function runProcess(
  surroundings: Surroundings,
  start: (settings: Settings, log: Logger, interrupted: AbortSignal) => Promise<Service>,
): Promise<ExitCode> {
  // A terminal that was closed must not end the process before its calls have.
  surroundings.stderr.on('error', () => {})
  try {
    const settings = settingsOf(surroundings)
    const log = logOf(settings, surroundings.stderr)
    // A child's parent has said it.
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

/** What ends a process is told whatever the level: a service that ends in silence is a riddle. */
function onlyErrors({ stderr }: Surroundings): Logger {
  return { ...silentLogger, error: (_facts, message) => void stderr.write(`${message}\n`) }
}

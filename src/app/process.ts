import { type ExitCode, ReportedError, UsageError } from '../domain/errors.js'
import type { Logger } from '../domain/logger.js'
import { isHangUpIgnored, leaveClosedTerminal } from './hang-up.js'
import { ASKED_TO_END, type Service } from './service.js'

/**
 * The life of a long-running process: start, wait for a signal or a reason to end, stop within the grace, exit
 * code. SIGTERM, Ctrl-C and a closed terminal stop it cleanly; a second signal exits at once. A start that waits for something gives
 * itself up when `interrupted`, by throwing its reason.
 */
export async function runService(
  start: (interrupted: AbortSignal) => Promise<Service>,
  options: { readonly log: Logger; readonly graceMs: number },
): Promise<ExitCode> {
  const interrupt = interruptSignal()
  try {
    const running = await start(interrupt.signal)
    try {
      if (!interrupt.signal.aborted) await Promise.race([running.done.then(tellParent), whenAborted(interrupt.signal)])
    } finally {
      // Also when it cannot go on: what is in flight may be paid for.
      options.log.info({ event: 'shutdown.started' }, 'stopping')
      await withDeadline(running.stop(), options.graceMs + CLOSING_MS, running.isSaving)
    }
    return 0
  } catch (error) {
    // Nothing had begun yet: the start gave itself up.
    if (interrupt.signal.aborted && error === interrupt.signal.reason) return 0
    if (!(error instanceof ReportedError)) throw error
    options.log.error({ event: 'process.failed', err: error }, error.message)
    return error.exitCode
  } finally {
    interrupt.dispose()
  }
}

/** The parent, `up`, cannot tell a SIGTERM to a child from `down` by exit code 0. */
function tellParent(): void {
  if (process.connected) process.send?.(ASKED_TO_END)
}

/** @throws UsageError when it was removed meanwhile */
export function workingDirectory(): string {
  try {
    return process.cwd()
  } catch (error) {
    throw new UsageError('The current directory does not exist any more: change to another one and try again.', {
      cause: error,
    })
  }
}

/** What closing may take beyond the grace: connections, the store's last commit. */
const CLOSING_MS = 5000

/** SIGHUP: the terminal was closed. SIGQUIT: Ctrl-\. */
const STOP_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const

/**
 * Calls `stop` at every stop signal. A second one asks to exit at once. SIGHUP never counts as the second: a logout sends
 * it together with SIGTERM, and twice to the jobs of a shell. It is passed over where it was ignored at the start.
 */
function onStopSignals(stop: (name: NodeJS.Signals, atOnce: boolean) => void): () => void {
  const ignoresHangUp = isHangUpIgnored()
  let asked = 0
  const onSignal = (name: NodeJS.Signals): void => {
    if (name === 'SIGHUP' && ignoresHangUp) return
    if (name !== 'SIGHUP') asked += 1
    stop(name, name !== 'SIGHUP' && asked > 1)
  }
  for (const name of STOP_SIGNALS) process.on(name, onSignal)
  process.off('exit', leaveClosedTerminal).on('exit', leaveClosedTerminal)
  return () => {
    for (const name of STOP_SIGNALS) process.off(name, onSignal)
  }
}

/**
 * Aborts at the first stop signal; a second one exits at once with 130 (128 + SIGINT), as shells
 * expect it. A child of `up` also stops when its parent is gone (their channel is cut).
 */
export function interruptSignal(): { readonly signal: AbortSignal; dispose(): void } {
  const controller = new AbortController()
  const forget = onStopSignals((_name, atOnce) => {
    if (atOnce) process.exit(130)
    if (!controller.signal.aborted) controller.abort(new Error('Interrupted.'))
  })
  const onOrphaned = (): void => {
    if (!controller.signal.aborted) controller.abort(new Error('The parent process ended.'))
  }
  process.on('disconnect', onOrphaned)
  return {
    signal: controller.signal,
    dispose() {
      forget()
      process.off('disconnect', onOrphaned)
    },
  }
}

/**
 * For as long as nobody asked for an `interruptSignal`: a command that has only just begun, or has nothing to end
 * cleanly. It says a word and exits with 1; 130 is kept for a second signal.
 */
export function exitAtSignal(say: (message: string) => void): void {
  let isEnding = false
  onStopSignals((name, atOnce) => {
    if (process.listenerCount(name) > 1) {
      isEnding = true
      return
    }
    if (atOnce) process.exit(130)
    if (isEnding) return
    say('Interrupted.')
    process.exit(1)
  })
}

function whenAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

/** Another second, again and again, while something is being saved. */
async function withDeadline(work: Promise<void>, ms: number, isSaving = () => false): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => {
    const look = (): void => {
      if (isSaving()) timer = setTimeout(look, 1000)
      else resolve()
    }
    timer = setTimeout(look, ms)
  })
  await Promise.race([work, late])
  clearTimeout(timer)
}

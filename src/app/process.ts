import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { type ExitCode, ReportedError, UsageError } from '../domain/errors.js'
import type { Logger } from '../domain/logger.js'
import { isHangUpIgnored, leaveClosedTerminal } from './hang-up.js'
import { ASKED_TO_END, ChildRefused, type Service } from './service.js'

/**
 * Runs a long-running process: start, wait for a signal or for `done`, stop within the grace
 * period, return the exit code. SIGTERM, Ctrl-C and a closed terminal stop it cleanly; a second
 * signal exits at once. A start that is interrupted may end as it likes, or throw the signal's reason;
 * one that still waits after some seconds (for Redis, or for a database) is abandoned.
 */
export async function runService(
  start: (interrupted: AbortSignal) => Promise<Service>,
  options: { readonly log: Logger; readonly graceMs: number },
): Promise<ExitCode> {
  const interrupt = interruptSignal()
  try {
    const running = await Promise.race([start(interrupt.signal), rejectLate(interrupt.signal)])
    try {
      if (!interrupt.signal.aborted) await Promise.race([running.done.then(tellParent), whenAborted(interrupt.signal)])
    } finally {
      // Also after a fatal error: calls in flight may be paid for.
      // `up` says it for its children.
      options.log[process.send === undefined ? 'info' : 'debug']({ event: 'shutdown.started' }, 'stopping')
      await withDeadline(running.stop(), options.graceMs + CLOSING_MS, running.isSaving)
    }
    return 0
  } catch (error) {
    // The start was interrupted; no call had begun.
    if (interrupt.signal.aborted && error === interrupt.signal.reason) return 0
    if (!(error instanceof ReportedError)) throw error
    if (!(error instanceof ChildRefused)) options.log.error({ event: 'process.failed', err: error }, error.message)
    return error.exitCode
  } finally {
    interrupt.dispose()
  }
}

/** `up` cannot tell by exit code 0 whether a child got a SIGTERM or was stopped by `down`. */
function tellParent(): void {
  if (process.connected) process.send?.(ASKED_TO_END)
}

/** @throws UsageError if the directory was removed */
export function workingDirectory(): string {
  try {
    return process.cwd()
  } catch (error) {
    throw new UsageError('The current directory no longer exists. Change to another one and try again.', {
      cause: error,
    })
  }
}

/** How long closing may take after the grace period: connections, the last commit. */
const CLOSING_MS = 5000

/** SIGHUP: the terminal was closed. SIGQUIT: Ctrl-\. */
const STOP_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const

/**
 * Calls `stop` at every stop signal, with `atOnce` from the second one on. SIGHUP never counts as
 * the second: a logout sends it together with SIGTERM, and twice to the jobs of a shell. SIGHUP
 * does nothing if it was ignored when the process started.
 */
function onStopSignals(stop: (name: NodeJS.Signals, atOnce: boolean) => void): () => void {
  const ignoresHangUp = isHangUpIgnored()
  let count = 0
  const onSignal = (name: NodeJS.Signals): void => {
    if (name === 'SIGHUP' && ignoresHangUp) return
    if (name !== 'SIGHUP') count += 1
    stop(name, name !== 'SIGHUP' && count > 1)
  }
  for (const name of STOP_SIGNALS) process.on(name, onSignal)
  process.off('exit', leaveClosedTerminal).on('exit', leaveClosedTerminal)
  return () => {
    for (const name of STOP_SIGNALS) process.off(name, onSignal)
  }
}

/**
 * Aborts at the first stop signal. A second one exits at once with 130 (128 + SIGINT), as shells
 * expect. A child of `up` also stops when its parent ends, which closes their IPC channel.
 */
export function interruptSignal(): { readonly signal: AbortSignal; dispose(): void } {
  const controller = new AbortController()
  const removeListeners = onStopSignals((_name, atOnce) => {
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
      removeListeners()
      process.off('disconnect', onOrphaned)
    },
  }
}

/**
 * Handles stop signals as long as there is no `interruptSignal`: the command has just begun, or has
 * nothing to stop cleanly. Exits with 130, as shells expect.
 * @param tell says that it was interrupted; not called for a second signal
 * @returns tells whether a command was interrupted
 */
export function exitAtSignal(tell: () => void): () => boolean {
  let isEnding = false
  onStopSignals((name, atOnce) => {
    if (process.listenerCount(name) > 1) {
      isEnding = true
      return
    }
    if (atOnce) process.exit(130)
    if (isEnding) return
    tell()
    process.exit(130)
  })
  return () => isEnding
}

async function rejectLate(signal: AbortSignal): Promise<never> {
  await whenAborted(signal)
  await sleep(CLOSING_MS)
  throw signal.reason
}

async function whenAborted(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await once(signal, 'abort')
}

/**
 * Waits for `work` until the deadline, and beyond it, second by second, while something is being
 * saved.
 */
async function withDeadline(work: Promise<void>, ms: number, isSaving = () => false): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => {
    const check = (): void => {
      if (isSaving()) timer = setTimeout(check, 1000)
      else resolve()
    }
    timer = setTimeout(check, ms)
  })
  await Promise.race([work, late])
  clearTimeout(timer)
}

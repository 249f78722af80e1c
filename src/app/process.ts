import { type ExitCode, ReportedError } from '../domain/errors.js'
import type { Logger } from '../domain/logger.js'
import { ASKED_TO_END, type Running } from './running.js'

/**
 * The life of a long-running process: start, wait for a signal or a reason to end, stop within the grace, exit
 * code. SIGTERM and Ctrl-C stop it cleanly; a second signal exits at once. A start that waits for something gives
 * itself up when `interrupted`, by throwing its reason.
 */
export async function runService(
  start: (interrupted: AbortSignal) => Promise<Running>,
  options: { readonly log: Logger; readonly graceMs: number },
): Promise<ExitCode> {
  const interrupt = interruptSignal()
  try {
    const running = await start(interrupt.signal)
    try {
      if (!interrupt.signal.aborted) await Promise.race([running.done.then(tellParent), whenAborted(interrupt.signal)])
    } finally {
      // Also when it cannot go on: what is in flight may be paid for.
      options.log.info({}, 'stopping')
      await withDeadline(running.stop(), options.graceMs + CLOSING_MS)
    }
    return 0
  } catch (error) {
    // Nothing had begun yet: the start gave itself up.
    if (interrupt.signal.aborted && error === interrupt.signal.reason) return 0
    if (!(error instanceof ReportedError)) throw error
    options.log.error({ err: error }, error.message)
    return error.exitCode
  } finally {
    interrupt.dispose()
  }
}

/** The parent, `up`, cannot tell a SIGTERM to a child from `down` by exit code 0. */
function tellParent(): void {
  if (process.connected) process.send?.(ASKED_TO_END)
}

/** What closing may take beyond the grace: connections, the store's last commit. */
const CLOSING_MS = 5000

/**
 * Aborts at the first SIGINT or SIGTERM; the second exits at once with 130 (128 + SIGINT), as shells
 * expect it. A child of `up` also stops when its parent is gone (their channel is cut).
 */
export function interruptSignal(): { readonly signal: AbortSignal; dispose(): void } {
  const controller = new AbortController()
  const onSignal = (): void => {
    if (controller.signal.aborted) process.exit(130)
    controller.abort(new Error('Interrupted.'))
  }
  const onOrphaned = (): void => {
    if (!controller.signal.aborted) controller.abort(new Error('The parent process ended.'))
  }
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
  process.on('disconnect', onOrphaned)
  return {
    signal: controller.signal,
    dispose() {
      process.off('SIGINT', onSignal)
      process.off('SIGTERM', onSignal)
      process.off('disconnect', onOrphaned)
    },
  }
}

/**
 * For as long as nobody asked for an `interruptSignal`: a command that has only just begun, or has nothing to end
 * cleanly. It says a word and exits with 1; 130 is kept for a second signal.
 */
export function exitAtSignal(say: (sentence: string) => void): void {
  let signals = 0
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.on(name, () => {
      signals += 1
      if (process.listenerCount(name) > 1) return
      if (signals > 1) process.exit(130)
      say('Interrupted.')
      process.exit(1)
    })
  }
}

function whenAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

async function withDeadline(work: Promise<void>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms)
  })
  await Promise.race([work, late])
  clearTimeout(timer)
}

import { setMaxListeners } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { ReportedError } from '../domain/errors.js'
import type { Logger } from '../domain/logger.js'

/**
 * Chores are timers in every worker: idempotent, never two of the same at once in one process, and a failing one is tried again
 * at its next turn. Recovery is one of them, not a special mode.
 */
export interface Chore {
  readonly name: string
  readonly everyMs: number
  readonly run: () => Promise<unknown>
}

export interface RunningChores {
  /** Runs that chore now (or right after the run that is under way). */
  kick(name: string): void
  /** Resolves when no chore runs any more. */
  stop(): Promise<void>
}

/** @param onFatal told when a chore finds out that this process must not go on (a configuration that cannot work). */
export function startChores(
  chores: readonly Chore[],
  log: Logger,
  onFatal: (error: ReportedError) => void,
): RunningChores {
  const stopping = new AbortController()
  // Each chore listens while it sleeps; that is no leak.
  setMaxListeners(0, stopping.signal)
  const wakers = new Map<string, () => void>()
  const failing = new Set<string>()

  async function turn(chore: Chore): Promise<void> {
    try {
      await chore.run()
      if (failing.delete(chore.name)) log.info({ chore: chore.name }, 'chore works again')
    } catch (error) {
      if (error instanceof ReportedError && error.exitCode === 78) onFatal(error)
      if (!failing.has(chore.name)) log.error({ chore: chore.name, err: error }, 'chore failed; tried again')
      failing.add(chore.name)
    }
  }

  async function loop(chore: Chore): Promise<void> {
    while (!stopping.signal.aborted) {
      const waking = new AbortController()
      wakers.set(chore.name, () => waking.abort())
      await turn(chore)
      await waitFor(chore.everyMs, AbortSignal.any([waking.signal, stopping.signal]))
    }
  }

  const loops = chores.map(loop)
  return {
    kick: (name) => wakers.get(name)?.(),
    async stop() {
      stopping.abort()
      await Promise.all(loops)
    },
  }
}

async function waitFor(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => {})
}

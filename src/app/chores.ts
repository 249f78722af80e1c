import { ReportedError, UnreachableError } from '../domain/errors.js'
import type { Logger } from '../domain/logger.js'
import { RedisTroubleError } from '../queue/redis-trouble.js'

/**
 * Chores are timers in every worker: idempotent, never two of the same at once in one process, and a failing one is tried again
 * at its next turn. Recovery is one of them, not a special mode.
 */
export interface Chore {
  readonly name: string
  readonly everyMs: number
  readonly run: () => Promise<unknown>
  /** Runs for the first time after `everyMs`, not at once. */
  readonly restsFirst?: true
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
  let stopping = false
  const wakers = new Map<string, () => void>()
  const failing = new Set<string>()

  async function turn(chore: Chore): Promise<void> {
    try {
      await chore.run()
      if (failing.delete(chore.name)) log.info({ chore: chore.name, repeats: 'task.works-again' }, 'chore works again')
    } catch (error) {
      if (error instanceof ReportedError && error.exitCode === 78) onFatal(error)
      if (!failing.has(chore.name)) {
        log.error({ chore: chore.name, err: error, repeats: kindOf(chore, error) }, 'chore failed; tried again')
      }
      failing.add(chore.name)
    }
  }

  async function loop(chore: Chore): Promise<void> {
    let woken = wakeable(chore.name)
    if (chore.restsFirst) await rest(chore.everyMs, woken)
    while (!stopping) {
      woken = wakeable(chore.name)
      await turn(chore)
      await rest(chore.everyMs, woken)
    }
  }

  /** Resolves at the next kick. */
  function wakeable(name: string): Promise<void> {
    return new Promise((resolve) => wakers.set(name, resolve))
  }

  /** No timer outlasts its rest, however often a chore is kicked. */
  async function rest(ms: number, woken: Promise<void>): Promise<void> {
    if (stopping) return
    let alarm: NodeJS.Timeout | undefined
    const over = new Promise<void>((resolve) => {
      alarm = setTimeout(resolve, ms)
    })
    await Promise.race([over, woken])
    clearTimeout(alarm)
  }

  const loops = chores.map(loop)
  return {
    kick: (name) => wakers.get(name)?.(),
    async stop() {
      stopping = true
      for (const wake of wakers.values()) wake()
      await Promise.all(loops)
    },
  }
}

/** One trouble of Redis or of the store stops most of them at once, and is one kind, whoever meets it. */
function kindOf(chore: Chore, error: unknown): string {
  if (error instanceof RedisTroubleError) return error.kind
  return error instanceof UnreachableError ? 'task.unreachable' : `task.failed ${chore.name}`
}

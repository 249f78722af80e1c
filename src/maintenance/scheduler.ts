import { ReportedError, UnreachableError } from '../domain/errors.js'
import type { Logger } from '../domain/logger.js'
import { RedisTroubleError } from '../queue/redis-error.js'

/**
 * Chores are timers in every worker: idempotent, never two of the same at once in one process, and a failing one is tried again
 * at its next turn. Recovery is one of them, not a special mode.
 */
export interface MaintenanceTask {
  readonly name: string
  readonly everyMs: number
  readonly run: () => Promise<unknown>
  /** Runs for the first time after `everyMs`, not at once. */
  readonly restsFirst?: true
}

export interface Scheduler {
  /** Runs that chore now (or right after the run that is under way). */
  kick(name: string): void
  /** Resolves when no chore runs any more. */
  stop(): Promise<void>
}

/** @param onFatal told when a chore finds out that this process must not go on (a configuration that cannot work). */
export function startScheduler(
  tasks: readonly MaintenanceTask[],
  log: Logger,
  onFatal: (error: ReportedError) => void,
): Scheduler {
  let stopping = false
  const wakers = new Map<string, () => void>()
  const failing = new Set<string>()

  async function turn(task: MaintenanceTask): Promise<void> {
    try {
      await task.run()
      if (failing.delete(task.name))
        log.info({ event: 'maintenance.recovered', task: task.name, repeats: true }, 'chore works again')
    } catch (error) {
      if (error instanceof ReportedError && error.exitCode === 78) onFatal(error)
      if (!failing.has(task.name)) {
        log.error(
          { event: 'maintenance.failed', task: task.name, err: error, repeats: kindOf(task, error) },
          'chore failed; tried again',
        )
      }
      failing.add(task.name)
    }
  }

  async function loop(task: MaintenanceTask): Promise<void> {
    let woken = wakeable(task.name)
    if (task.restsFirst) await rest(task.everyMs, woken)
    while (!stopping) {
      woken = wakeable(task.name)
      await turn(task)
      await rest(task.everyMs, woken)
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

  const loops = tasks.map(loop)
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
function kindOf(task: MaintenanceTask, error: unknown): string {
  if (error instanceof RedisTroubleError) return error.kind
  return error instanceof UnreachableError ? 'task.unreachable' : `task.failed ${task.name}`
}

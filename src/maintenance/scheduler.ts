import { setMaxListeners } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { ReportedError, UnreachableError } from '../domain/errors.js'
import type { Logger } from '../domain/logger.js'
import { settledWithin } from '../domain/with-timeout.js'
import { RedisFailure } from '../queue/redis-error.js'

export interface MaintenanceTask {
  readonly name: string
  readonly everyMs: number
  readonly run: () => Promise<unknown>
  /** The first run is after `everyMs`, not at once. */
  readonly restsFirst?: true
}

export interface Scheduler {
  /** Resolves when no task is running any more, or soon: a task may wait for a Redis that is away. */
  stop(): Promise<void>
}

const STOPS_WITHIN_MS = 1000

/**
 * Runs the maintenance tasks of a worker on timers. A task is idempotent and never runs twice at once in one process.
 * A failed task runs again at its next turn. Redis recovery is a task too, not a special mode.
 * @param onFatal called when a task finds that this process must stop (a configuration that cannot work)
 */
export function startScheduler(
  tasks: readonly MaintenanceTask[],
  log: Logger,
  onFatal: (error: ReportedError) => void,
): Scheduler {
  const stopping = new AbortController()
  // Every task listens while it rests; Node warns of more than ten listeners.
  setMaxListeners(0, stopping.signal)
  const failing = new Set<string>()

  async function turn(task: MaintenanceTask): Promise<void> {
    try {
      await task.run()
      if (failing.delete(task.name))
        log.info({ event: 'maintenance.recovered', task: task.name, repeats: true }, 'maintenance task succeeded again')
    } catch (error) {
      if (error instanceof ReportedError && error.exitCode === 78) onFatal(error)
      if (!failing.has(task.name)) {
        log.error(
          { event: 'maintenance.failed', task: task.name, err: error, repeats: kindOf(task, error) },
          'maintenance task failed; it will run again',
        )
      }
      failing.add(task.name)
    }
  }

  async function loop(task: MaintenanceTask): Promise<void> {
    const rest = () => sleep(task.everyMs, undefined, { signal: stopping.signal }).catch(() => {})
    if (task.restsFirst) await rest()
    while (!stopping.signal.aborted) {
      await turn(task)
      await rest()
    }
  }

  const loops = tasks.map(loop)
  return {
    async stop() {
      stopping.abort()
      await settledWithin(STOPS_WITHIN_MS, Promise.all(loops))
    },
  }
}

/** A failure of Redis or of the store stops most tasks at once. It is one kind, so that the log shows it once. */
function kindOf(task: MaintenanceTask, error: unknown): string {
  if (error instanceof RedisFailure) return error.kind
  return error instanceof UnreachableError ? 'task.unreachable' : `task.failed ${task.name}`
}

import { type ExitCode, UnreachableError } from '../domain/errors.js'
import { type FeedParts, feed } from '../maintenance/feeder.js'
import { recoverRedis } from '../maintenance/redis-recovery.js'
import type { SearchQueue } from '../queue/search-queue.js'
import type { Cli } from './cli.js'
import { orAborted } from './interrupt.js'
import { recoveryParts, type Session } from './session.js'

/**
 * Feeds Redis at once, so that work begins now and not at a worker's next maintenance. Redis is
 * opened and checked before anything is released: if it belongs to another store, nothing is. A
 * release is in the store first, so if Redis is unreachable or Ctrl-C comes later, workers feed the
 * queue.
 */
export interface Feeding {
  /**
   * @returns how many workers are running; null if Redis is unreachable, which is printed
   * @throws the signal's reason
   */
  fill(): Promise<number | null>
}

/**
 * @throws ConfigurationError if Redis belongs to another store; the signal's reason when aborted
 */
export async function openFeeding(cli: Cli, session: Session, signal: AbortSignal): Promise<Feeding> {
  const { openConfiguredQueue } = await import('../app/parts.js')
  // Checked before opening: a connection opened after the cleanup would stay open.
  signal.throwIfAborted()
  const open = async () => {
    const queue = await openConfiguredQueue(session.settings, session.log, session.cleanup)
    // 'elsewhere': another process is restoring this Redis now and will feed it.
    return { queue, isOurs: (await recoverRedis(recoveryParts(session, queue))) !== 'elsewhere' }
  }
  try {
    const { queue, isOurs } = await orAborted(open(), signal)
    return { fill: () => ifReachable(cli, orAborted(fill({ ...session, queue, signal }, isOurs), signal)) }
  } catch (error) {
    if (!(error instanceof UnreachableError)) throw error
    return { fill: () => ifReachable(cli, orAborted(Promise.reject(error), signal)) }
  }
}

async function fill(parts: FeedParts & { readonly queue: SearchQueue }, isOurs: boolean): Promise<number> {
  if (isOurs) await feed(parts)
  return parts.queue.registry.workers()
}

async function ifReachable(cli: Cli, work: Promise<number>): Promise<number | null> {
  try {
    return await work
  } catch (error) {
    if (!(error instanceof UnreachableError)) throw error
    cli.say(
      `Redis is unreachable, so nothing is queued yet. ${error.message} The store has it; a worker will queue it.`,
    )
    return null
  }
}

/** After Ctrl-C while Redis was being fed. @param state what has happened: "Batch 3 is released" */
export function leftToWorkers(cli: Cli, state: string, undo: string): ExitCode {
  cli.say(`Interrupted. ${state}; workers will queue the remaining searches. ${undo}`)
  return 5
}

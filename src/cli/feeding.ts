import { type ExitCode, UnreachableError } from '../domain/errors.js'
import { type FeedParts, feed } from '../maintenance/feeder.js'
import { recoverRedis } from '../maintenance/redis-recovery.js'
import type { SearchQueue } from '../queue/search-queue.js'
import type { Cli } from './cli.js'
import { orAborted } from './interrupt.js'
import { recoveryParts, type Session } from './session.js'

/**
 * Filling Redis's window at once, so that work begins now and not at the next chore of a worker. Redis is opened
 * and looked at before anything is let go: where it belongs to another store, nothing has been. What is let go then
 * is on record, so a Redis that is away, or Ctrl-C from here on, only leaves the filling to the workers.
 */
export interface Feeding {
  /** @returns how many workers run; null when Redis is out of reach, which is said. @throws the signal's reason */
  fill(): Promise<number | null>
}

/** @throws ConfigurationError when this Redis holds another store's window; the signal's reason when it is aborted */
export async function openFeeding(cli: Cli, session: Session, signal: AbortSignal): Promise<Feeding> {
  const { openConfiguredQueue } = await import('../app/parts.js')
  // Before it is opened: what opens after the end would stay open.
  signal.throwIfAborted()
  const open = async () => {
    const queue = await openConfiguredQueue(session.settings, session.log, session.cleanup)
    // Elsewhere: another process is restoring this Redis now and feeds it afterwards.
    return { queue, isOurs: (await recoverRedis(recoveryParts(session, queue))) !== 'elsewhere' }
  }
  try {
    const { queue, isOurs } = await orAborted(open(), signal)
    return { fill: () => unlessAway(cli, orAborted(fill({ ...session, queue, signal }, isOurs), signal)) }
  } catch (error) {
    if (!(error instanceof UnreachableError)) throw error
    return { fill: () => unlessAway(cli, orAborted(Promise.reject(error), signal)) }
  }
}

async function fill(parts: FeedParts & { readonly queue: SearchQueue }, isOurs: boolean): Promise<number> {
  if (isOurs) await feed(parts)
  return parts.queue.registry.workers()
}

async function unlessAway(cli: Cli, work: Promise<number>): Promise<number | null> {
  try {
    return await work
  } catch (error) {
    if (!(error instanceof UnreachableError)) throw error
    cli.say(`Redis is out of reach, so nothing is queued yet: ${error.message} It is on record; a worker queues it.`)
    return null
  }
}

/** After Ctrl-C while Redis was being filled. @param standing what is let go: "Batch 3 is released" */
export function leftToWorkers(cli: Cli, standing: string, wayBack: string): ExitCode {
  cli.say(`Interrupted. ${standing} all the same, and workers queue what is not queued yet; ${wayBack}`)
  return 5
}

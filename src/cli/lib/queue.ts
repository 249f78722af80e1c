import type { Feeding } from '../../app/session.js'
import { NotFinishedError, UnreachableError } from '../../domain/errors.js'
import type { Cli } from './cli.js'

/**
 * Feeds Redis, and says so if nothing can be queued now.
 * @returns how many workers are running; null if they could not be asked
 * @throws the signal's reason
 */
export async function fillQueue(cli: Cli, feeding: Feeding): Promise<number | null> {
  const filled = await feeding.fill()
  if (!(filled instanceof UnreachableError)) return filled
  cli.say(`Nothing is queued yet. ${filled.message} What was released is in the store, and a worker will queue it.`)
  return null
}

/** After Ctrl-C while Redis was being fed. @param state what has happened: "batch 3 is released" */
export function throwInterruptedWhileFeeding(state: string, undo: string): never {
  throw new NotFinishedError(`Interrupted: ${state}, and workers will queue the remaining searches.`, {
    code: 'interrupted',
    hint: undo,
  })
}

import { openFeeding as open, type Session } from '../../app/session.js'
import { NotFinishedError, UnreachableError } from '../../domain/errors.js'
import type { Cli } from './cli.js'

/** How a command feeds the queue, and what it prints about it; see app/session.ts. */
export interface Feeding {
  /**
   * @returns how many workers are running; null if they could not be asked; why is printed
   * @throws the signal's reason
   */
  fill(): Promise<number | null>
}

/** @throws ConfigurationError if Redis belongs to another store; the signal's reason when aborted */
export async function openFeeding(cli: Cli, session: Session, signal: AbortSignal): Promise<Feeding> {
  const feeding = await open(session, signal)
  return { fill: async () => workersOrNull(cli, await feeding.fill()) }
}

export function workersOrNull(cli: Cli, filled: number | UnreachableError): number | null {
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

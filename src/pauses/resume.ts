import { PAUSE_CAUSES, type PauseCause } from '../domain/pause-cause.js'
import type { Store } from '../store/store.js'
import { type PauseParts, reopen } from './pause.js'

/**
 * Lifting causes. Except after an operator's pause the resume is a probe: one call at a time until one
 * succeeds, then the fleet. An empty account then costs one refused call instead of one per slot.
 */
export interface ResumeParts extends PauseParts {
  readonly store: Pick<Store, 'pauses' | 'deadLetters'>
}

export interface Resumed {
  /** The causes that stood and were lifted. */
  readonly lifted: readonly PauseCause[]
  /** Searches refused as unauthorized that are due again. */
  readonly retried: number
  /** Causes that still stand. */
  readonly standing: readonly PauseCause[]
}

/** @param causes what to lift; somebody who says `resume` means all of them. */
export async function resume(parts: ResumeParts, causes: readonly PauseCause[] = PAUSE_CAUSES): Promise<Resumed> {
  const { pauses, deadLetters } = parts.store
  const lifted: PauseCause[] = []
  for (const cause of causes) {
    if (await pauses.lift(cause, cause !== 'operator')) lifted.push(cause)
  }
  const retried = lifted.includes('unauthorized') ? await deadLetters.retryUnauthorized() : 0
  if (await pauses.probing()) await parts.queue.gate.narrow()
  const standing = (await pauses.list()).map((row) => row.cause)
  if (standing.length === 0) await reopen(parts)
  if (lifted.length > 0)
    parts.log.info({ lifted, standing, retried }, standing.length === 0 ? 'resumed' : 'still paused')
  return { lifted, retried, standing }
}

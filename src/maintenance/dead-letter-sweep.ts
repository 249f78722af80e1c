import type { Logger } from '../domain/logger.js'
import { deadLetterIdOf, type SearchRef } from '../domain/search-id.js'
import type { SearchQueue } from '../queue/search-queue.js'
import type { ParkedLetter, Store } from '../store/store.js'

/**
 * Makes the `dead-letters` queue match the store. Adds dead letters that Redis lacks (it lost its data, or somebody
 * removed a job by hand). Removes those that are not dead any more (retried from the command line, answered
 * late, discarded).
 */
export interface SweepParts {
  readonly store: Pick<Store, 'deadLetters'>
  readonly queue: Pick<SearchQueue, 'deadLetters'>
  readonly log: Logger
}

const PAGE = 500

export async function sweepDeadLetters(
  parts: SweepParts,
): Promise<{ readonly parked: number; readonly removed: number }> {
  const inRedis = new Map((await parts.queue.deadLetters.refs()).map((ref) => [deadLetterIdOf(ref), ref]))
  let parked = 0
  let after: number | null = 0
  while (after !== null) {
    const page: { refs: readonly SearchRef[]; next: number | null } = await parts.store.deadLetters.refs(after, PAGE)
    const missing = page.refs.filter((ref) => !inRedis.delete(deadLetterIdOf(ref)))
    parked += await park(parts, missing)
    after = page.next
  }
  const stale: SearchRef[] = []
  for (const ref of inRedis.values()) if ((await parts.store.deadLetters.get(ref)) === null) stale.push(ref)
  if (stale.length > 0) await parts.queue.deadLetters.remove(stale)
  if (parked + stale.length > 0)
    parts.log.info(
      { event: 'dead_letter.synced', parked, removed: stale.length },
      'dead letters in Redis synchronized with the store',
    )
  return { parked, removed: stale.length }
}

async function park(parts: SweepParts, missing: readonly SearchRef[]): Promise<number> {
  const letters: ParkedLetter[] = []
  for (const ref of missing) {
    const letter = await parts.store.deadLetters.get(ref)
    if (letter !== null) letters.push(letter)
  }
  if (letters.length > 0) await parts.queue.deadLetters.add(letters)
  return letters.length
}

import type { Logger } from '../domain/logger.js'
import { deadLetterIdOf, type SearchRef } from '../domain/search-id.js'
import type { SearchQueue } from '../queue/search-queue.js'
import type { ParkedLetter, Store } from '../store/store.js'

/**
 * The store says what is dead; the parking queue shows it. The sweep parks again what Redis lacks (it lost
 * everything, or somebody removed a letter by hand) and removes what is not dead any more (retried
 * from the command line, answered late, discarded).
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
  const standing = new Map((await parts.queue.deadLetters.refs()).map((ref) => [deadLetterIdOf(ref), ref]))
  let parked = 0
  let after: number | null = 0
  while (after !== null) {
    const page: { refs: readonly SearchRef[]; next: number | null } = await parts.store.deadLetters.refs(after, PAGE)
    const missing = page.refs.filter((ref) => !standing.delete(deadLetterIdOf(ref)))
    parked += await park(parts, missing)
    after = page.next
  }
  const stale: SearchRef[] = []
  for (const ref of standing.values()) if ((await parts.store.deadLetters.get(ref)) === null) stale.push(ref)
  if (stale.length > 0) await parts.queue.deadLetters.remove(stale)
  if (parked + stale.length > 0)
    parts.log.info({ event: 'dead_letter.synced', parked, removed: stale.length }, 'dead letters set right')
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

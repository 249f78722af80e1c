import { endings, pausedSentence, resumedSentence } from '../announce/sentences.js'
import type { Announcer } from '../announce/webhook.js'
import type { Logger } from '../domain/logger.js'
import type { Pause, PauseCause } from '../domain/pause-cause.js'
import type { Store } from '../store/store.js'

/**
 * Watches the record for what somebody wants to be told: a pause and its end (whoever wrote it, on whichever
 * worker), completed batches, and capped ones whose share is through. Each is one line of the log and one POST. Which pauses were told is
 * remembered in the process; a new worker tells a standing one again, which is meant: somebody restarted
 * it and it still stands.
 */
export function newsChore(parts: {
  readonly store: Pick<Store, 'pauses' | 'batches' | 'account'>
  readonly announcer: Announcer
  readonly log: Logger
  readonly now: () => number
}): () => Promise<void> {
  let told: ReadonlyMap<PauseCause, number> = new Map()

  function tell(sentence: string): void {
    parts.log.info({}, sentence)
    parts.announcer.say(sentence)
  }

  async function tellPauses(rows: readonly Pause[]): Promise<void> {
    const fresh = rows.filter((row) => told.get(row.cause) !== row.since)
    const standing = rows.map((row) => row.cause)
    const lifted = [...told.keys()].filter((cause) => !standing.includes(cause))
    told = new Map(rows.map((row) => [row.cause, row.since]))
    if (lifted.length > 0) {
      const { creditsRemaining } = await parts.store.account.get()
      tell(resumedSentence(lifted, standing, creditsRemaining))
    }
    if (fresh.length === 0) return
    const due = await parts.store.batches.dueAtMost()
    for (const row of fresh) tell(pausedSentence(row, due))
  }

  return async () => {
    await tellPauses(await parts.store.pauses.list())
    for (const sentence of await endings(parts.store, parts.now())) tell(sentence)
  }
}

import { completions, pausedSentence } from '../announce/sentences.js'
import type { Announcer } from '../announce/webhook.js'
import type { Logger } from '../domain/logger.js'
import type { PauseCause } from '../domain/pause-cause.js'
import type { Store } from '../store/store.js'

/**
 * Watches the record for what somebody wants to be told: a pause (whoever wrote it, on whichever worker) and
 * completed batches. Remembers in the process which pauses it has told; a new worker tells a standing
 * one again, which is meant: somebody restarted it and it still stands.
 */
export function newsChore(parts: {
  readonly store: Pick<Store, 'pauses' | 'batches' | 'reports'>
  readonly announcer: Announcer
  readonly log: Logger
  readonly now: () => number
}): () => Promise<void> {
  let told: ReadonlyMap<PauseCause, number> = new Map()

  return async () => {
    const rows = await parts.store.pauses.list()
    const fresh = rows.filter((row) => told.get(row.cause) !== row.since)
    told = new Map(rows.map((row) => [row.cause, row.since]))
    if (fresh.length > 0) {
      const { due } = await parts.store.reports.totals(parts.now())
      for (const row of fresh) parts.announcer.say(pausedSentence(row, due))
    }
    for (const sentence of await completions(parts.store, parts.now())) {
      parts.log.info({}, sentence)
      parts.announcer.say(sentence)
    }
  }
}

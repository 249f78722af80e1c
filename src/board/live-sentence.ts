import type { Clock } from '../domain/clock.js'
import { within } from '../domain/within.js'
import type { StatusReport } from '../status/report.js'
import { messageOf, SILENT } from './silence.js'

/**
 * "Why is it not moving?" in one sentence, above the jobs. Bull Board asks its adapters for a description
 * without waiting, on every poll of every open page; the report behind it reads store and Redis. So the
 * sentence is fetched before the page asks, at most once a second whatever the number of pages, and kept.
 */
export interface LiveSentence {
  /** As of the last `refresh`. */
  current(): string
  /** Resolves when the sentence is at most a second old, or could not be had. Never rejects. */
  refresh(): Promise<void>
}

const FRESH_MS = 1_000
const PATIENCE_MS = 3_000

export function openLiveSentence(report: () => Promise<StatusReport>, clock: Clock): LiveSentence {
  let sentence = ''
  let askedAtMs = Number.NEGATIVE_INFINITY
  let asking: Promise<void> | null = null

  async function ask(): Promise<void> {
    try {
      const { queue } = await within(PATIENCE_MS, report(), SILENT)
      sentence = queue.reason
    } catch (error) {
      sentence = `The state is not known at the moment: ${messageOf(error)}`
    }
    askedAtMs = clock.monotonicMs()
  }

  return {
    current: () => sentence,
    refresh: async () => {
      if (clock.monotonicMs() - askedAtMs < FRESH_MS) return
      asking ??= ask().finally(() => {
        asking = null
      })
      await asking
    },
  }
}

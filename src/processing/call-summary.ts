import { pluralize } from '../domain/format.js'
import type { Logger } from '../domain/logger.js'

/**
 * One log line a minute for all answered calls: a line for each would cost a tenth of a worker's time. Calls that end in
 * any other way have a line of their own.
 */
export interface CallSummary {
  answered(call: { readonly durationMs: number; readonly creditsLeft: number | null }): void
  /** Logs what was answered since the last line. Nothing: no line. */
  write(): void
}

export function openCallSummary(log: Logger): CallSummary {
  let calls = 0
  let totalMs = 0
  let creditsLeft: number | null = null

  return {
    answered(call) {
      calls += 1
      totalMs += call.durationMs
      creditsLeft = call.creditsLeft ?? creditsLeft
    },
    write() {
      if (calls === 0) return
      const averageMs = Math.round(totalMs / calls)
      log.info(
        { event: 'calls.answered', calls, averageMs, ...(creditsLeft === null ? {} : { creditsLeft }) },
        `${pluralize(calls, 'call')} answered, in ${averageMs} ms on average`,
      )
      calls = 0
      totalMs = 0
    },
  }
}

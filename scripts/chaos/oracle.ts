import type { Evidence } from './evidence.js'
import { judgeCalls } from './oracle-calls.js'
import { judgeRows } from './oracle-rows.js'

/** The result of a run: figures for the table, and every broken promise with the calls or rows concerned. */
export interface Verdict {
  readonly figures: Figures
  readonly violations: readonly string[]
}

export interface Figures {
  readonly calls: number
  readonly paid: number
  /** Searches that were paid for more than once. */
  readonly paidTwice: number
  /** Payments beyond the first of a search that neither an unknown outcome nor a retry explains. */
  readonly paidTwiceUnexplained: number
  readonly unknownOutcomes: number
  /** Calls that began while the queue was paused by hand. */
  readonly whilePaused: number
  readonly rows: number
  readonly rowsLost: number
  readonly rowsWithTwoStatuses: number
  readonly deadLetters: number
  readonly integrity: 'ok' | 'damaged'
}

/** Checks all promises. Pure. */
export function judge(evidence: Evidence): Verdict {
  const calls = judgeCalls(evidence)
  const rows = judgeRows(evidence)
  const { audit } = evidence
  return {
    figures: {
      ...calls.figures,
      ...rows.figures,
      deadLetters: audit.searches.filter(({ state, discarded }) => state === 'dead' && !discarded).length,
      integrity: audit.damage.length === 0 ? 'ok' : 'damaged',
    },
    violations: [
      ...calls.violations,
      ...rows.violations,
      ...audit.damage.map((line) => `the store is damaged: ${line}`),
      ...audit.miscounts.map((line) => `a counter of the store is wrong: ${line}`),
      ...evidence.unsettled.map((line) => `not finished in time: ${line}`),
      ...evidence.workerViolations,
      ...evidence.leftBehind.map((line) => `left behind: ${line}`),
    ],
  }
}

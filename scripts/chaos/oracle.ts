import type { Evidence } from './evidence.js'
import { judgeCalls } from './oracle-calls.js'
import { judgeRows } from './oracle-rows.js'

/** The verdict on a run: figures for the table, and what broke a promise, each with what is needed to look into it. */
export interface Verdict {
  readonly figures: Figures
  readonly violations: readonly string[]
}

export interface Figures {
  readonly calls: number
  readonly paid: number
  /** Searches that were paid for more than once. */
  readonly paidTwice: number
  /** Of these payments beyond the first, those that no unknown outcome and no deliberate retry explains. */
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

/** Pure: the same evidence, the same verdict. */
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
      ...audit.miscounts.map((line) => `the store miscounts: ${line}`),
      ...evidence.unsettled.map((line) => `not finished in time: ${line}`),
      ...evidence.workerViolations,
      ...evidence.leftBehind.map((line) => `left behind: ${line}`),
    ],
  }
}

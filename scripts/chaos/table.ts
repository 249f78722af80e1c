import { type Counters, counterRows } from './counters.js'
import type { EngineName } from './database.js'
import type { Verdict } from './oracle.js'

/** What was done, what came of it, and last the rows that must be zero. */
export function renderTable(store: EngineName, counters: Counters, { figures, violations }: Verdict): string {
  const rows: readonly (readonly [string, number | string])[] = [
    ...counterRows(store, counters),
    ['calls', figures.calls],
    ['paid', figures.paid],
    ['paid twice', figures.paidTwice],
    ['unknown outcomes', figures.unknownOutcomes],
    ['rows', figures.rows],
    ['dead letters', figures.deadLetters],
    ['paid twice, unexplained', figures.paidTwiceUnexplained],
    ['calls while paused', figures.whilePaused],
    ['rows lost', figures.rowsLost],
    ['rows with two statuses', figures.rowsWithTwoStatuses],
    ['integrity_check', figures.integrity],
    ['violations', violations.length],
  ]
  const widest = Math.max(...rows.map(([, value]) => String(value).length))
  return rows.map(([name, value]) => `| ${name.padEnd(24)} | ${String(value).padStart(widest)} |`).join('\n')
}

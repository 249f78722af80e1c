import type { Verdict } from './oracle.js'
import type { Tally } from './tally.js'

/** The one table: what was done, what came of it, and last what must be zero. */
export function renderTable(tally: Tally, { figures, violations }: Verdict): string {
  const rows: readonly (readonly [string, number | string])[] = [
    ['kills', tally.kills],
    ['clean stops', tally.stops],
    ['freezes', tally.freezes],
    ['Redis kills', tally.redisKills],
    ['Redis restarts', tally.redisRestarts],
    ['flushes', tally.flushes],
    ['jobs removed by hand', tally.jobsRemoved],
    ['faults at the API', tally.faults],
    ['account emptied', tally.emptied],
    ['pauses', tally.pauses],
    ['retries, command line', tally.retried],
    ['retries, board', tally.retriedOnBoard],
    ['calls', figures.calls],
    ['calls open at kills', tally.openAtKills],
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

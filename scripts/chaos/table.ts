import type { Counters } from './counters.js'
import type { EngineName } from './database.js'
import type { Verdict } from './oracle.js'

/** What was done, what came of it, and last the rows that must be zero. */
export function renderTable(store: EngineName, counters: Counters, { figures, violations }: Verdict): string {
  const rows: readonly (readonly [string, number | string])[] = [
    ['kills', counters.kills],
    ['clean stops', counters.stops],
    ['freezes', counters.freezes],
    ['Redis kills', counters.redisKills],
    ['Redis restarts', counters.redisRestarts],
    ['flushes', counters.flushes],
    ...(store === 'sqlite' ? [] : postgresRows(counters)),
    ['jobs removed by hand', counters.jobsRemoved],
    ['faults at the API', counters.faults],
    ['account emptied', counters.emptied],
    ['pauses', counters.pauses],
    ['retries, command line', counters.retried],
    ['retries, board', counters.retriedOnBoard],
    ['calls', figures.calls],
    ['calls open at kills', counters.openAtKills],
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

function postgresRows(counters: Counters): readonly (readonly [string, number])[] {
  return [
    ['PostgreSQL restarts', counters.postgresRestarts],
    ['PostgreSQL kills', counters.postgresKills],
    ['connections terminated', counters.terminations],
    ['PostgreSQL freezes', counters.postgresFreezes],
  ]
}

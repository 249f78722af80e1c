import type { Selectable } from 'kysely'
import type { CallReport } from './report.js'
import type { CallTable } from './schema.js'

export type CallRow = Selectable<CallTable>

export function callReport(row: CallRow): CallReport {
  return {
    callId: row.id,
    attempt: row.attempt,
    sentAt: row.sent_at,
    finishedAt: row.finished_at,
    outcome: row.outcome,
    status: row.status,
    requestId: row.request_id,
    detail: row.detail,
    creditsRemaining: row.credits_remaining,
  }
}

import type { CallOutcome } from '../domain/outcome.js'
import type { CallReport } from './report.js'

/** What is read of a row of `call`. */
export interface CallRow {
  readonly id: number
  readonly attempt: number
  readonly sent_at: number
  readonly finished_at: number | null
  readonly outcome: CallOutcome
  readonly status: number | null
  readonly request_id: string | null
  readonly detail: string | null
  readonly credits_remaining: number | null
  /** The body of an unreadable answer, which may be paid for. */
  readonly unreadable: string | null
}

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

import { type CallOutcome, isCharged } from '../domain/outcome.js'
import type { Connection } from './connection.js'

/**
 * Bookkeeping of the ledger: how many calls ended how, and which batch is charged. For use inside a
 * write transaction.
 */
export interface LedgerCall {
  readonly id: number
  readonly batch_id: number
  readonly outcome: CallOutcome
}

export interface NewCall {
  readonly searchId: number
  readonly round: number
  readonly attempt: number
  readonly batchId: number
  readonly sentAt: number
}

/**
 * Recorded as sent and charged before the request leaves, so that a crash leaves an open call
 * behind.
 */
export function openCall(connection: Connection, call: NewCall): number {
  const { id } = connection.run(
    `insert into call (search_id, round, attempt, batch_id, sent_at, outcome)
     values (@searchId, @round, @attempt, @batchId, @sentAt, 'sent')`,
    { ...call },
  )
  count(connection, 'sent', 1)
  charge(connection, call.batchId, 1)
  return id
}

/** Changes a call's outcome. Charges or refunds its batch accordingly. */
export function changeOutcome(connection: Connection, call: LedgerCall, outcome: CallOutcome): void {
  if (call.outcome === outcome) return
  connection.run('update call set outcome = ? where id = ?', [outcome, call.id])
  count(connection, call.outcome, -1)
  count(connection, outcome, 1)
  const step = Number(isCharged(outcome)) - Number(isCharged(call.outcome))
  if (step !== 0) charge(connection, call.batch_id, step)
}

export function countOf(connection: Connection, outcome: CallOutcome): number {
  return connection.get<{ calls: number }>('select calls from call_count where outcome = ?', [outcome])?.calls ?? 0
}

function count(connection: Connection, outcome: CallOutcome, step: number): void {
  connection.run('update call_count set calls = calls + ? where outcome = ?', [step, outcome])
}

function charge(connection: Connection, batchId: number, step: number): void {
  connection.run('update batch set charged = charged + ? where id = ?', [step, batchId])
}

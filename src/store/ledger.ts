import { type CallOutcome, isCharged } from '../domain/outcome.js'
import type { Transaction } from './connection.js'

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
export async function openCall(tx: Transaction, call: NewCall): Promise<number> {
  const opened = await tx.get<{ id: number }>(
    `insert into call (search_id, round, attempt, batch_id, sent_at, outcome)
     values (@searchId, @round, @attempt, @batchId, @sentAt, 'sent') returning id`,
    { ...call },
  )
  if (opened === undefined) throw new Error('a new call got no id')
  await count(tx, 'sent', 1)
  await charge(tx, call.batchId, 1)
  return opened.id
}

/** Changes a call's outcome. Charges or refunds its batch accordingly. */
export async function changeOutcome(tx: Transaction, call: LedgerCall, outcome: CallOutcome): Promise<void> {
  if (call.outcome === outcome) return
  await tx.run('update call set outcome = @outcome where id = @id', { outcome, id: call.id })
  await count(tx, call.outcome, -1)
  await count(tx, outcome, 1)
  const step = Number(isCharged(outcome)) - Number(isCharged(call.outcome))
  if (step !== 0) await charge(tx, call.batch_id, step)
}

export async function countOf(tx: Transaction, outcome: CallOutcome): Promise<number> {
  const text = 'select calls from call_count where outcome = @outcome'
  return (await tx.get<{ calls: number }>(text, { outcome }))?.calls ?? 0
}

async function count(tx: Transaction, outcome: CallOutcome, step: number): Promise<void> {
  await tx.run('update call_count set calls = calls + @step where outcome = @outcome', { step, outcome })
}

async function charge(tx: Transaction, batchId: number, step: number): Promise<void> {
  await tx.run('update batch set charged = charged + @step where id = @batchId', { step, batchId })
}

import { type CallOutcome, isCharged } from '../domain/outcome.js'
import type { Transaction } from './engine.js'
import { decrementMeta } from './meta.js'
import { getNumber, getOne } from './sql.js'

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
  /** Of its claim. */
  readonly token: number
}

/**
 * Recorded as sent and charged before the request leaves, so that a crash leaves an open call
 * behind.
 */
export async function openCall(
  tx: Transaction,
  call: NewCall,
  outcome: 'sent' | 'transient' = 'sent',
): Promise<number> {
  const { id } = await getOne<{ id: number }>(
    tx,
    `insert into call (search_id, round, attempt, batch_id, sent_at, token, outcome)
     values (@searchId, @round, @attempt, @batchId, @sentAt, @token, @outcome) returning id`,
    { ...call, outcome },
  )
  tx.send('update call_count set calls = calls + 1 where outcome = @outcome', { outcome })
  if (isCharged(outcome)) charge(tx, call.batchId, 1)
  return id
}

/** A call in flight that was never heard of again. It may be paid for. */
export function giveUp(tx: Transaction, call: LedgerCall): void {
  tx.send("update call set outcome = 'unknown' where id = @id", { id: call.id })
  countOutcome(tx, call, 'unknown')
  lowerBalance(tx)
}

/** Counts a call under its new outcome. Charges or refunds its batch accordingly. */
export function countOutcome(tx: Transaction, call: LedgerCall, outcome: CallOutcome): void {
  if (call.outcome === outcome) return
  tx.send(
    `update call_count set calls = calls + case when outcome = @outcome then 1 else -1 end
     where outcome in (@outcome, @before)`,
    { outcome, before: call.outcome },
  )
  // A late answer. Whether a person was shown this call is not known: rather one is shown twice than none.
  if (call.outcome === 'unknown') decrementMeta(tx, 'unknown_seen')
  const step = Number(isCharged(outcome)) - Number(isCharged(call.outcome))
  if (step !== 0) charge(tx, call.batch_id, step)
}

function charge(tx: Transaction, batchId: number, step: number): void {
  tx.send('update batch set charged = charged + @step where id = @batchId', { step, batchId })
}

export function countOf(tx: Transaction, outcome: CallOutcome): Promise<number> {
  return getNumber(tx, 'select calls as n from call_count where outcome = @outcome', { outcome })
}

/** The id of the latest call. 0: none was made. */
export function latestCall(tx: Transaction): Promise<number> {
  return getNumber(tx, 'select max(id) as n from call')
}

export interface FinishedCall {
  readonly outcome: CallOutcome
  readonly search_id: number
  readonly finished_at: number
  readonly detail: string | null
}

/** No circuit breaker and no status needs a longer streak. */
const LONGEST_STREAK = 200

/** The latest finished calls with an id above `after`, the newest first. At most `LONGEST_STREAK`. */
export function latestFinished(tx: Transaction, after = 0): Promise<readonly FinishedCall[]> {
  return tx.all<FinishedCall>(
    `select outcome, search_id, finished_at, detail from call $unindexed() where finished_at is not null and id > @after
     order by id desc limit ${LONGEST_STREAK}`,
    { after },
  )
}

/** A credit is gone, or may be, and no balance was reported. An unknown balance stays unknown. */
export function lowerBalance(tx: Transaction): void {
  tx.send('update account set credits_remaining = credits_remaining - 1 where credits_remaining > 0')
}

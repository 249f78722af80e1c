import type { Decision } from '../domain/decision.js'
import { isCharged } from '../domain/outcome.js'
import type { SearchState } from '../domain/states.js'
import { foldBalance, foldLimits } from './account.js'
import type { CallEnd } from './call-ledger.js'
import type { Transaction } from './connection.js'
import { addPause, extendRateLimit, isProbing, setProbing } from './control-state.js'
import { changeOutcome, type LedgerCall } from './ledger.js'
import { countRefusal } from './refusals.js'
import { bury, keepAnswer } from './transitions.js'

/**
 * Ends a call: records its outcome and cost, and updates its search, in one transaction, before the
 * job is finished in BullMQ. After a crash behind the commit, the outcome is in the store; after a
 * crash before it, the call is still open. The outcome is recorded even if the call was given up on
 * (`unknown`) or its search has moved on. Repeating it changes nothing.
 */
export async function closeCall(
  tx: Transaction,
  callId: number,
  end: CallEnd,
): Promise<{ readonly endedProbe: boolean }> {
  const call = await tx.get<ClosingCall>(
    'select id, batch_id, outcome, search_id, round, sent_at, finished_at from call where id = @callId',
    { callId },
  )
  const search =
    call === undefined
      ? undefined
      : await tx.get<ClosingSearch>('select id, state, round from search where id = @id', { id: call.search_id })
  if (call === undefined || search === undefined) throw new Error(`close: there is no call ${callId}`)
  // A call that timed out as `unknown` has no `finished_at` yet, unlike one that was closed before.
  if (call.finished_at !== null) return { endedProbe: false }

  await recordCall(tx, call, search.state === 'answered' ? asPaidAgain(end) : end)
  // A call that was given up on (`unknown`) was counted then.
  const mayCost = isCharged(end.outcome) && call.outcome === 'sent'
  const ended = { id: callId, sentAt: call.sent_at, outcome: end.outcome, mayCost }
  await foldBalance(tx, end.facts.creditsRemaining, ended, end.now)
  await foldLimits(tx, end.facts)
  await settle(tx, call, search, end)
  const endedProbe = end.outcome === 'answered' && (await isProbing(tx))
  if (endedProbe) await setProbing(tx, false)
  return { endedProbe }
}

/**
 * A call that was given up on (a process frozen beyond its timeout) answers after another call has:
 * the search was paid for twice. It stays on the list of calls that cost a credit without an answer
 * of their own. If it brings no answer, its outcome is unknown like any other, because a second
 * payment is not certain.
 */
function asPaidAgain(end: CallEnd): CallEnd {
  return end.outcome === 'answered' || end.outcome === 'unreadable'
    ? { ...end, outcome: 'unknown', detail: 'answered after another call had: this search was paid for twice' }
    : end
}

interface ClosingCall extends LedgerCall {
  readonly search_id: number
  readonly round: number
  readonly sent_at: number
  readonly finished_at: number | null
}

interface ClosingSearch {
  readonly id: number
  readonly state: SearchState
  readonly round: number
}

async function recordCall(tx: Transaction, call: ClosingCall, end: CallEnd): Promise<void> {
  await changeOutcome(tx, call, end.outcome)
  await tx.run(
    `update call set finished_at = @now, status = @status, request_id = @requestId, detail = @detail,
       credits_remaining = @creditsRemaining, unreadable = @unreadable
     where id = @id`,
    {
      id: call.id,
      now: end.now,
      status: end.facts.status,
      requestId: end.facts.requestId,
      detail: end.detail,
      creditsRemaining: end.facts.creditsRemaining,
      unreadable: end.decision.do === 'deadLetter' ? end.decision.body : null,
    },
  )
}

/**
 * An answer is kept even if its search is dead or in another round: it is paid for. A pause or rate
 * limit is written in the same transaction.
 */
async function settle(tx: Transaction, call: ClosingCall, search: ClosingSearch, end: CallEnd): Promise<void> {
  const { decision, now } = end
  switch (decision.do) {
    case 'succeed':
      return keepAnswer(tx, search, decision, now)
    case 'deadLetter':
      return endSearch(tx, call, search, end, decision)
    case 'retry':
      return useAttempt(tx, call)
    case 'pause':
      await addPause(tx, { cause: decision.cause, since: now, detail: decision.detail })
      return
    case 'rateLimit':
      await extendRateLimit(tx, decision.until, now, decision.said)
      return countRefusal(tx, call, end.outcome)
    case 'defer':
      return countRefusal(tx, call, end.outcome)
    default:
      decision satisfies never
  }
}

type ForGood = Extract<Decision, { do: 'deadLetter' }>

/** Only calls of the current round use up attempts. A refusal by the API applies to every round. */
async function endSearch(
  tx: Transaction,
  call: ClosingCall,
  search: ClosingSearch,
  { facts, now }: CallEnd,
  decision: ForGood,
): Promise<void> {
  if (decision.usesAttempt) await useAttempt(tx, call)
  if (!decision.usesAttempt || search.round === call.round) {
    const requestId = decision.death.requestId ?? facts.requestId ?? (await earlierRequestId(tx, call, decision))
    await bury(tx, search, { ...decision.death, requestId }, now)
  }
  if (decision.pause !== null) await addPause(tx, { cause: decision.pause, since: now, detail: decision.death.error })
}

/**
 * The request id that support needs, of the last failure in this round that had one: a timeout has
 * none.
 */
async function earlierRequestId(tx: Transaction, call: ClosingCall, { usesAttempt }: ForGood): Promise<string | null> {
  if (!usesAttempt) return null
  const earlier = await tx.get<{ request_id: string }>(
    `select request_id from call where search_id = @searchId and round = @round and outcome = 'transient' and request_id is not null
     order by id desc limit 1`,
    { searchId: call.search_id, round: call.round },
  )
  return earlier?.request_id ?? null
}

/** Only while the search is still in the call's round. */
async function useAttempt(tx: Transaction, call: ClosingCall): Promise<void> {
  await tx.run(
    "update search set failures = failures + 1 where id = @id and round = @round and state in ('waiting', 'queued')",
    { id: call.search_id, round: call.round },
  )
}

import type { Decision } from '../domain/decision.js'
import { isCharged } from '../domain/outcome.js'
import type { SearchState } from '../domain/states.js'
import { foldBalance, foldLimits } from './account.js'
import type { CallEnd } from './call-ledger.js'
import type { Connection } from './connection.js'
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
export function closeCall(connection: Connection, callId: number, end: CallEnd): { readonly endedProbe: boolean } {
  const call = connection.get<ClosingCall>(
    'select id, batch_id, outcome, search_id, round, sent_at, finished_at from call where id = ?',
    [callId],
  )
  const search =
    call === undefined
      ? undefined
      : connection.get<ClosingSearch>('select id, state, round from search where id = ?', [call.search_id])
  if (call === undefined || search === undefined) throw new Error(`close: there is no call ${callId}`)
  // A call that timed out as `unknown` has no `finished_at` yet, unlike one that was closed before.
  if (call.finished_at !== null) return { endedProbe: false }

  recordCall(connection, call, search.state === 'answered' ? asPaidAgain(end) : end)
  // A call that was given up on (`unknown`) was counted then.
  const mayCost = isCharged(end.outcome) && call.outcome === 'sent'
  const ended = { id: callId, sentAt: call.sent_at, outcome: end.outcome, mayCost }
  foldBalance(connection, end.facts.creditsRemaining, ended, end.now)
  foldLimits(connection, end.facts)
  settle(connection, call, search, end)
  const endedProbe = end.outcome === 'answered' && isProbing(connection)
  if (endedProbe) setProbing(connection, false)
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

function recordCall(connection: Connection, call: ClosingCall, end: CallEnd): void {
  changeOutcome(connection, call, end.outcome)
  connection.run(
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
function settle(connection: Connection, call: ClosingCall, search: ClosingSearch, end: CallEnd): void {
  const { decision, now } = end
  switch (decision.do) {
    case 'succeed':
      keepAnswer(connection, search, decision, now)
      return
    case 'deadLetter':
      // Only calls of the current round use up attempts. A refusal by the API applies to every round.
      if (decision.usesAttempt) useAttempt(connection, call)
      if (!decision.usesAttempt || search.round === call.round)
        bury(connection, search, { ...decision.death, requestId: requestIdFor(connection, call, end, decision) }, now)
      if (decision.pause !== null)
        addPause(connection, { cause: decision.pause, since: now, detail: decision.death.error })
      return
    case 'retry':
      useAttempt(connection, call)
      return
    case 'pause':
      addPause(connection, { cause: decision.cause, since: now, detail: decision.detail })
      return
    case 'rateLimit':
      extendRateLimit(connection, decision.until, now, decision.said)
      countRefusal(connection, call, end.outcome)
      return
    case 'defer':
      countRefusal(connection, call, end.outcome)
      return
    default:
      decision satisfies never
  }
}

/**
 * The request id that support needs: of this call, or of the last failure in this round that had
 * one. A timeout has none.
 */
function requestIdFor(
  connection: Connection,
  call: ClosingCall,
  { facts }: CallEnd,
  { death, usesAttempt }: Extract<Decision, { do: 'deadLetter' }>,
): string | null {
  const own = death.requestId ?? facts.requestId
  if (own !== null || !usesAttempt) return own
  const earlier = connection.get<{ request_id: string }>(
    `select request_id from call where search_id = ? and round = ? and outcome = 'transient' and request_id is not null
     order by id desc limit 1`,
    [call.search_id, call.round],
  )
  return earlier?.request_id ?? null
}

/** Only while the search is still in the call's round. */
function useAttempt(connection: Connection, call: ClosingCall): void {
  connection.run(
    "update search set failures = failures + 1 where id = ? and round = ? and state in ('waiting', 'queued')",
    [call.search_id, call.round],
  )
}

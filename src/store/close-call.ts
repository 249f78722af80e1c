import type { Decision } from '../domain/decision.js'
import { type CallOutcome, isCharged, type ResponseFacts } from '../domain/outcome.js'
import type { SearchRef } from '../domain/search-id.js'
import type { SearchState } from '../domain/states.js'
import { CAN_PAY_SQL } from './batch-row.js'
import type { Transaction } from './engine.js'
import { countOutcome, type LedgerCall, lowerBalance, openCall } from './ledger.js'
import { metaSql } from './meta.js'
import { addPause, endProbe, extendRateLimit } from './pauses.js'
import { countRefusal } from './refusals.js'
import { fingerprintBytes } from './search-ref.js'
import { getNumber } from './sql.js'
import { noteLimit, noteTopUp } from './timeline.js'
import { keepAnswer, markDead } from './transitions.js'

/** Which call it is. */
export interface CallKey {
  readonly id: number
  /** Of its claim. */
  readonly token: number
  readonly ref: SearchRef
}

/** How a call ended. The outcome is always recorded; the decision says what happens to its search. */
export interface CallEnd {
  readonly outcome: CallOutcome
  readonly detail: string | null
  readonly facts: ResponseFacts
  readonly decision: Decision
  /** When it ended. */
  readonly now: number
  /** The process that made it: "pid 7 on a host". */
  readonly worker?: string
}

/**
 * Ends a call: records its outcome and cost, and updates its search, in one transaction, before the
 * job is finished in BullMQ. After a crash behind the commit, the outcome is in the store; after a
 * crash before it, the call is still open. The outcome is recorded even if the call was given up on
 * (`unknown`) or its search has moved on. Repeating it changes nothing.
 */
export async function closeCall(
  tx: Transaction,
  key: CallKey,
  end: CallEnd,
  now: number,
): Promise<{ readonly endedProbe: boolean }> {
  const known = await findCall(tx, key)
  const call = known ?? (await restoreCall(tx, key, end))
  // A call that timed out as `unknown` has no `finished_at` yet, unlike one that was closed before.
  if (call.finished_at !== null) return { endedProbe: false }

  recordCall(tx, call, call.state === 'answered' ? asPaidAgain(end) : end)
  await updateBalance(tx, call, end)
  await settle(tx, call, end, now)
  // The number of a restored call does not tell when it was made.
  const endedProbe =
    known !== undefined && end.outcome === 'answered' && call.probing !== null && call.id > Number(call.probing)
  if (endedProbe) endProbe(tx, Number(call.outage_from) || null, end.now)
  return { endedProbe }
}

/** A call and everything that its end depends on, read by one query; see `ClaimFacts`. */
interface CallToClose extends LedgerCall {
  readonly search_id: number
  readonly round: number
  readonly sent_at: number
  readonly finished_at: number | null
  /** Of its search. */
  readonly state: SearchState
  readonly search_round: number
  readonly balance: number | null
  /** Calls in flight for all searches. */
  readonly in_flight: number
  readonly probing: string | null
  readonly outage_from: string | null
  readonly known_limit: number | null
}

const CALL_TO_CLOSE = `
  select call.id, call.batch_id, call.outcome, call.search_id, call.round, call.sent_at, call.finished_at,
    search.state, search.round as search_round,
    (select credits_remaining from account) as balance,
    (select calls from call_count where outcome = 'sent') as in_flight,
    (select limit_per_minute from account) as known_limit,
    ${metaSql('probing')} as probing, ${metaSql('outage_from')} as outage_from
  from call join search on search.id = call.search_id
  where search.fingerprint = @fingerprint and search.generation = @generation`

/** A store that was restored gives the number of a lost call to another one, so the number alone proves nothing. */
async function findCall(tx: Transaction, { id, token, ref }: CallKey): Promise<CallToClose | undefined> {
  const search = { fingerprint: fingerprintBytes(ref.fingerprint), generation: ref.generation }
  return (await tx.get(BY_BOTH, { ...search, id, token })) ?? (await tx.get(BY_TOKEN, { ...search, token }))
}

const BY_TOKEN = `${CALL_TO_CLOSE} and call.token = @token`
const BY_BOTH = `${BY_TOKEN} and call.id = @id`

/**
 * The store was restored from an older backup, or its server failed over to a replica that lagged behind: it has lost the
 * call, and may have made another for the same search. What was paid for is recorded all the same.
 * @throws LostSearchError if the search is lost, too
 */
async function restoreCall(tx: Transaction, key: CallKey, { facts, now }: CallEnd): Promise<CallToClose> {
  const { id, token, ref } = key
  const search = await tx.get<{ id: number; calls: number; payer: number | null }>(
    `select search.id, (select count(*) from call where call.search_id = search.id) as calls,
       (select batch.id from want join batch on batch.id = want.batch_id where want.search_id = search.id
         order by case when ${CAN_PAY_SQL} then 0 when batch.state = 'released' then 1 else 2 end, batch.id limit 1) as payer
     from search where fingerprint = @fingerprint and generation = @generation`,
    { fingerprint: fingerprintBytes(ref.fingerprint), generation: ref.generation },
  )
  if (search === undefined || search.payer === null) throw new LostSearchError(id)
  await openCall(
    tx,
    {
      searchId: search.id,
      round: ref.round,
      attempt: search.calls + 1,
      batchId: search.payer,
      sentAt: now - Math.round(facts.durationMs),
      token,
    },
    // Not `sent`: there may be a call in flight for it.
    'transient',
  )
  const call = await findCall(tx, key)
  if (call === undefined) throw new LostSearchError(id)
  return call
}

export class LostSearchError extends Error {
  constructor(callId: number) {
    super(
      `the store has neither call ${callId} nor a search to record it with: it was restored from an older backup, or its server failed over to a replica that lagged behind`,
    )
    this.name = 'LostSearchError'
  }
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

function recordCall(tx: Transaction, call: CallToClose, end: CallEnd): void {
  tx.send(
    `update call set outcome = @outcome, finished_at = @now, status = @status, request_id = @requestId, detail = @detail,
       credits_remaining = @creditsRemaining, unreadable = @unreadable
     where id = @id`,
    {
      id: call.id,
      outcome: end.outcome,
      now: end.now,
      status: end.facts.status,
      requestId: end.facts.requestId,
      detail: end.detail,
      creditsRemaining: end.facts.creditsRemaining,
      unreadable: end.decision.do === 'deadLetter' ? end.decision.body : null,
    },
  )
  countOutcome(tx, call, end.outcome)
}

/**
 * Updates the balance and the limits from one response; absent limits keep their value. Every answer
 * reports the balance right after its own credit was taken, and answers overtake each other. So the
 * lowest balance is the latest: calls in flight will still take their own credit. An answer without
 * a balance takes one credit. A rise that the overlapping calls cannot explain is a top-up, or corrects
 * what calls of unknown outcome took; it is taken as it is. Errs towards too few credits; GET /me corrects it.
 */
async function updateBalance(tx: Transaction, call: CallToClose, { facts, outcome, now }: CallEnd): Promise<void> {
  const { limitPerMinute, limitPerDay, remainingToday } = facts
  const limits = { limitPerMinute, limitPerDay, remainingToday }
  const balance = facts.creditsRemaining ?? (outcome === 'out_of_credits' ? 0 : null)
  const known = call.balance
  noteLimit(tx, call.known_limit, limitPerMinute, now)
  if (balance !== null) {
    const isUnexplained = known === null || (balance > known && balance > known + (await overlapping(tx, call)))
    if (isUnexplained) await noteTopUp(tx, known, balance, now)
    tx.send(`update account set credits_remaining = @balance, heard_at = @now, ${LIMITS}`, {
      ...limits,
      balance: isUnexplained ? balance : Math.min(known, balance),
      now,
    })
    return
  }
  // A call that was given up on (`unknown`) was counted then.
  if (isCharged(outcome) && call.outcome !== 'unknown') lowerBalance(tx)
  if (Object.values(limits).some((limit) => limit !== null)) tx.send(`update account set ${LIMITS}`, limits)
}

const LIMITS = `limit_per_minute = coalesce(@limitPerMinute, limit_per_minute),
  limit_per_day = coalesce(@limitPerDay, limit_per_day), remaining_today = coalesce(@remainingToday, remaining_today)`

/**
 * How many other calls may have been charged after this one and reported before it: those in flight
 * now, and those that ended since it was sent.
 */
async function overlapping(tx: Transaction, { id, sent_at, in_flight, outcome }: CallToClose): Promise<number> {
  const ended = await getNumber(
    tx,
    'select count(*) as n from call $by(call_finished_at) where finished_at >= @sentAt and id <> @id',
    { id, sentAt: sent_at },
  )
  return in_flight - Number(outcome === 'sent') + ended
}

/**
 * An answer is kept even if its search is dead or in another round: it is paid for. A pause or rate
 * limit is written in the same transaction.
 * @param now of the save, days after the end of the call if a full disk was freed then. Pauses begin and batches are
 * complete at that time: auto-resume would be over for a pause that began with the end of the call
 */
async function settle(tx: Transaction, call: CallToClose, end: CallEnd, now: number): Promise<void> {
  const { decision } = end
  switch (decision.do) {
    case 'succeed':
      return keepAnswer(tx, { id: call.search_id, state: call.state }, { ...decision, at: end.now }, now)
    case 'deadLetter':
      return endSearch(tx, call, end, decision, now)
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
  call: CallToClose,
  { facts, worker }: CallEnd,
  decision: ForGood,
  now: number,
): Promise<void> {
  if (decision.usesAttempt) useAttempt(tx, call)
  if (!decision.usesAttempt || call.search_round === call.round) {
    const requestId = decision.death.requestId ?? facts.requestId ?? (await earlierRequestId(tx, call, decision))
    const isDead = markDead(tx, { id: call.search_id, state: call.state }, { ...decision.death, requestId }, now)
    if (isDead && decision.death.reason === 'refused')
      tx.send('update batch set refused = refused + 1 where id = @batchId', { batchId: call.batch_id })
  }
  if (decision.pause !== null) {
    // The other workers may have a good key.
    const detail = worker === undefined ? decision.death.error : `${decision.death.error}; the key of ${worker}`
    await addPause(tx, { cause: decision.pause, since: now, detail })
  }
}

/**
 * The request id that support needs, of the last failure in this round that had one: a timeout has
 * none.
 */
async function earlierRequestId(tx: Transaction, call: CallToClose, { usesAttempt }: ForGood): Promise<string | null> {
  if (!usesAttempt) return null
  const earlier = await tx.get<{ request_id: string }>(
    `select request_id from call where search_id = @searchId and round = @round and outcome = 'transient' and request_id is not null
     order by id desc limit 1`,
    { searchId: call.search_id, round: call.round },
  )
  return earlier?.request_id ?? null
}

/** Only while the search is still in the call's round. */
function useAttempt(tx: Transaction, call: CallToClose): void {
  tx.send(
    "update search set failures = failures + 1 where id = @id and round = @round and state in ('waiting', 'queued')",
    { id: call.search_id, round: call.round },
  )
}

import { isSameApi } from '../domain/api-address.js'
import type { PauseCause } from '../domain/pause.js'
import type { SearchRequest } from '../domain/request.js'
import type { SearchRef } from '../domain/search-id.js'
import type { SearchState } from '../domain/states.js'
import { knownBalance, lowerBalance } from './account.js'
import { apiOnRecord } from './api-record.js'
import { CAN_PAY_SQL } from './batch-row.js'
import type { Claim, ClaimRules } from './call-ledger.js'
import type { Transaction } from './connection.js'
import { addPause, isProbing, obeyActiveHours, rateLimitEnd, SET_BACK_MS } from './control-state.js'
import { changeOutcome, countOf, type LedgerCall, openCall } from './ledger.js'
import { fingerprintBytes } from './search-ref.js'
import { putBack } from './transitions.js'

/**
 * Decides whether this job may make its call. BullMQ may deliver a job twice (a lost lock, or a
 * Redis that lost its data and was refilled), so the job alone is not enough. A claim is granted
 * only once, because check and grant are one write transaction. (Without it, six calls in flight
 * during a FLUSHALL were all paid twice.)
 */
export async function claim(tx: Transaction, ref: SearchRef, rules: ClaimRules): Promise<Claim> {
  const search = await tx.get<ClaimedSearch>(
    'select id, state, round, failures, request from search where fingerprint = @fingerprint and generation = @generation',
    { fingerprint: fingerprintBytes(ref.fingerprint), generation: ref.generation },
  )
  if (search === undefined) return { kind: 'nothing_to_do', why: 'unknown search' }
  if (search.state === 'answered' || search.state === 'dead') return { kind: 'nothing_to_do', why: search.state }
  // `waiting` is allowed: the feeder adds the job before it marks the search as queued.
  if (search.round !== ref.round) return { kind: 'nothing_to_do', why: 'old round' }
  const api = await apiOnRecord(tx)
  if (api !== null && !isSameApi(api, rules.apiUrl)) return { kind: 'another_api', until: rules.now + ANOTHER_API_MS }
  const cause = await oldestPause(tx)
  if (cause !== null) return { kind: 'paused', cause }
  // Maintenance looks once a second; the last call before the end of the hours is decided here.
  if (await obeyActiveHours(tx, rules.now)) return { kind: 'paused', cause: 'outside_hours' }
  const rateLimitedUntil = await rateLimitEnd(tx, rules.now)
  if (rateLimitedUntil !== null) return { kind: 'rate_limited', until: rateLimitedUntil }
  const openUntil = await openCallUntil(tx, search.id, rules)
  if (openUntil !== null) return { kind: 'call_open', until: openUntil }
  const payer = await payingBatch(tx, search.id)
  if (payer === null) {
    await putBack(tx, [search.id])
    return { kind: 'not_due' }
  }
  return (await keepReserve(tx, rules)) ?? grant(tx, search, payer, rules.now)
}

interface ClaimedSearch {
  readonly id: number
  readonly state: SearchState
  readonly round: number
  readonly failures: number
  readonly request: string
}

/** The delay before a retry when calls in flight may use up the credits above the reserve. */
const RESERVE_NEAR_MS = 1000

/** By then this worker has stopped, and a worker of the right API takes the job. */
const ANOTHER_API_MS = 5000

async function oldestPause(tx: Transaction): Promise<PauseCause | null> {
  return (await tx.get<{ cause: PauseCause }>('select cause from pause order by since limit 1'))?.cause ?? null
}

/**
 * Until when a call in flight blocks this search. A call too old to be in flight becomes `unknown`
 * and no longer blocks.
 */
async function openCallUntil(tx: Transaction, searchId: number, rules: ClaimRules): Promise<number | null> {
  const open = await tx.get<LedgerCall & { sent_at: number }>(
    "select id, batch_id, outcome, sent_at from call where search_id = @searchId and outcome = 'sent'",
    { searchId },
  )
  if (open === undefined) return null
  // A call from the future was sent before the wall clock was set back: count its age from now.
  const wasSetBack = open.sent_at > rules.now + SET_BACK_MS
  if (wasSetBack) await tx.run('update call set sent_at = @now where id = @id', { now: rules.now, id: open.id })
  const until = (wasSetBack ? rules.now : open.sent_at) + rules.openCallMaxAgeMs
  if (until > rules.now) return until
  await changeOutcome(tx, open, 'unknown')
  await lowerBalance(tx)
  return null
}

/** The oldest released batch that wants the search and has budget left. */
async function payingBatch(tx: Transaction, searchId: number): Promise<number | null> {
  const payer = await tx.get<{ id: number }>(
    `select batch.id from want cross join batch on batch.id = want.batch_id
     where want.search_id = @searchId and ${CAN_PAY_SQL} order by want.batch_id limit 1`,
    { searchId },
  )
  return payer?.id ?? null
}

/** Null: enough credits are left above the reserve, even if every call in flight takes one. */
async function keepReserve(tx: Transaction, { creditReserve, now }: ClaimRules): Promise<Claim | null> {
  if (creditReserve <= 0) return null
  const balance = await knownBalance(tx)
  // No balance was reported yet: make one call at a time until an answer reports it.
  if (balance === null)
    return (await countOf(tx, 'sent')) === 0 ? null : { kind: 'reserve_near', until: now + RESERVE_NEAR_MS }
  if (balance - creditReserve < 1) {
    const detail = `${balance} credits are left and ${creditReserve} are kept in reserve (TRACKYARD_CREDIT_RESERVE).`
    await addPause(tx, { cause: 'reserve', since: now, detail })
    return { kind: 'paused', cause: 'reserve' }
  }
  if (balance - (await countOf(tx, 'sent')) - creditReserve < 1)
    return { kind: 'reserve_near', until: now + RESERVE_NEAR_MS }
  return null
}

async function grant(tx: Transaction, search: ClaimedSearch, batchId: number, now: number): Promise<Claim> {
  const earlier = await tx.get<{ calls: number }>('select count(*) as calls from call where search_id = @id', {
    id: search.id,
  })
  const callId = await openCall(tx, {
    searchId: search.id,
    round: search.round,
    attempt: (earlier?.calls ?? 0) + 1,
    batchId,
    sentAt: now,
  })
  return {
    kind: 'granted',
    callId,
    request: JSON.parse(search.request) as SearchRequest,
    failures: search.failures,
    probing: await isProbing(tx),
  }
}

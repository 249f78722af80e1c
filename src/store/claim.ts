import { isSameApi } from '../domain/api-address.js'
import type { PauseCause } from '../domain/pause.js'
import type { SearchRequest } from '../domain/request.js'
import type { SearchRef } from '../domain/search-id.js'
import type { SearchState } from '../domain/states.js'
import { knownBalance, lowerBalance } from './account.js'
import { apiOnRecord } from './api-record.js'
import { CAN_PAY_SQL } from './batch-row.js'
import type { Claim, ClaimRules } from './call-ledger.js'
import type { Connection } from './connection.js'
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
export function claim(connection: Connection, ref: SearchRef, rules: ClaimRules): Claim {
  const search = connection.get<ClaimedSearch>(
    'select id, state, round, failures, request from search where fingerprint = ? and generation = ?',
    [fingerprintBytes(ref.fingerprint), ref.generation],
  )
  if (search === undefined) return { kind: 'nothing_to_do', why: 'unknown search' }
  if (search.state === 'answered' || search.state === 'dead') return { kind: 'nothing_to_do', why: search.state }
  // `waiting` is allowed: the feeder adds the job before it marks the search as queued.
  if (search.round !== ref.round) return { kind: 'nothing_to_do', why: 'old round' }
  const api = apiOnRecord(connection)
  if (api !== null && !isSameApi(api, rules.apiUrl)) return { kind: 'another_api', until: rules.now + ANOTHER_API_MS }
  const cause = oldestPause(connection)
  if (cause !== null) return { kind: 'paused', cause }
  // Maintenance looks once a second; the last call before the end of the hours is decided here.
  if (obeyActiveHours(connection, rules.now)) return { kind: 'paused', cause: 'outside_hours' }
  const rateLimitedUntil = rateLimitEnd(connection, rules.now)
  if (rateLimitedUntil !== null) return { kind: 'rate_limited', until: rateLimitedUntil }
  const openUntil = openCallUntil(connection, search.id, rules)
  if (openUntil !== null) return { kind: 'call_open', until: openUntil }
  const payer = payingBatch(connection, search.id)
  if (payer === null) {
    putBack(connection, [search.id])
    return { kind: 'not_due' }
  }
  return keepReserve(connection, rules) ?? grant(connection, search, payer, rules.now)
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

function oldestPause(connection: Connection): PauseCause | null {
  return connection.get<{ cause: PauseCause }>('select cause from pause order by since limit 1')?.cause ?? null
}

/**
 * Until when a call in flight blocks this search. A call too old to be in flight becomes `unknown`
 * and no longer blocks.
 */
function openCallUntil(connection: Connection, searchId: number, rules: ClaimRules): number | null {
  const open = connection.get<LedgerCall & { sent_at: number }>(
    "select id, batch_id, outcome, sent_at from call where search_id = ? and outcome = 'sent'",
    [searchId],
  )
  if (open === undefined) return null
  // A call from the future was sent before the wall clock was set back: count its age from now.
  const wasSetBack = open.sent_at > rules.now + SET_BACK_MS
  if (wasSetBack) connection.run('update call set sent_at = ? where id = ?', [rules.now, open.id])
  const until = (wasSetBack ? rules.now : open.sent_at) + rules.openCallMaxAgeMs
  if (until > rules.now) return until
  changeOutcome(connection, open, 'unknown')
  lowerBalance(connection)
  return null
}

/** The oldest released batch that wants the search and has budget left. */
function payingBatch(connection: Connection, searchId: number): number | null {
  return (
    connection.get<{ id: number }>(
      `select batch.id from want cross join batch on batch.id = want.batch_id
       where want.search_id = ? and ${CAN_PAY_SQL} order by want.batch_id limit 1`,
      [searchId],
    )?.id ?? null
  )
}

/** Null: enough credits are left above the reserve, even if every call in flight takes one. */
function keepReserve(connection: Connection, { creditReserve, now }: ClaimRules): Claim | null {
  if (creditReserve <= 0) return null
  const balance = knownBalance(connection)
  // No balance was reported yet: make one call at a time until an answer reports it.
  if (balance === null)
    return countOf(connection, 'sent') === 0 ? null : { kind: 'reserve_near', until: now + RESERVE_NEAR_MS }
  if (balance - creditReserve < 1) {
    const detail = `${balance} credits are left and ${creditReserve} are kept in reserve (TRACKYARD_CREDIT_RESERVE).`
    addPause(connection, { cause: 'reserve', since: now, detail })
    return { kind: 'paused', cause: 'reserve' }
  }
  if (balance - countOf(connection, 'sent') - creditReserve < 1)
    return { kind: 'reserve_near', until: now + RESERVE_NEAR_MS }
  return null
}

function grant(connection: Connection, search: ClaimedSearch, batchId: number, now: number): Claim {
  const earlier = connection.get<{ calls: number }>('select count(*) as calls from call where search_id = ?', [
    search.id,
  ])
  const callId = openCall(connection, {
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
    probing: isProbing(connection),
  }
}

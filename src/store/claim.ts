import { randomInt } from 'node:crypto'
import { isSameApi } from '../domain/api-address.js'
import type { PauseCause } from '../domain/pause.js'
import type { SearchRequest } from '../domain/request.js'
import type { SearchRef } from '../domain/search-id.js'
import type { SearchState } from '../domain/states.js'
import { CAN_PAY_SQL } from './batch-row.js'
import type { Transaction } from './engine.js'
import { giveUp, openCall } from './ledger.js'
import { metaSql } from './meta.js'
import { addPause, enforceActiveHours, rateLimitEndOf, SET_BACK_MS } from './pauses.js'
import { fingerprintBytes } from './search-ref.js'
import { requeueSearches } from './transitions.js'

export type Claim =
  | {
      readonly kind: 'granted'
      readonly callId: number
      readonly token: number
      readonly request: SearchRequest
      /** Attempts used before this call. */
      readonly failures: number
      readonly probing: boolean
    }
  /**
   * The search has its outcome, is in another round, or is unknown: complete the job without a
   * call.
   */
  | { readonly kind: 'nothing_to_do'; readonly why: 'answered' | 'dead' | 'old round' | 'unknown search' }
  /** No released batch with budget left wants it: it is waiting again, in a new round. */
  | { readonly kind: 'not_due' }
  /**
   * A call for it is in flight, or was in a process that died: do not retry before this instant.
   */
  | { readonly kind: 'call_open'; readonly until: number }
  | { readonly kind: 'paused'; readonly cause: PauseCause }
  /** Rate limited: the job was delivered before Redis had the limit. */
  | { readonly kind: 'rate_limited'; readonly until: number }
  /** Calls in flight may use up the credits above the reserve: retry shortly. */
  | { readonly kind: 'reserve_near'; readonly until: number }
  /** The store now belongs to another API: this worker is about to be stopped. */
  | { readonly kind: 'another_api'; readonly until: number }

export type GrantedClaim = Extract<Claim, { kind: 'granted' }>

export interface ClaimRules {
  readonly now: number
  /** Open calls older than this have an unknown outcome: the request timeout plus 5 s. */
  readonly openCallMaxAgeMs: number
  /** TRACKYARD_CREDIT_RESERVE. */
  readonly creditReserve: number
  /** TRACKYARD_API_URL. */
  readonly apiUrl: string
  /** Of this claim, the same if it is repeated: see `newClaimToken`. */
  readonly token: number
}

/**
 * Random. A commit may be done although its acknowledgement is lost with the connection. The repeated
 * claim finds its own call by this, and nobody else has made it.
 */
export function newClaimToken(): number {
  return randomInt(2 ** 48 - 1)
}

/**
 * Decides whether this job may make its call. BullMQ may deliver a job twice (a lost lock, or a
 * Redis that lost its data and was refilled), so the job alone is not enough. A claim is granted
 * only once, because check and grant are one write transaction. (Without it, six calls in flight
 * during a FLUSHALL were all paid twice.)
 */
export async function claim(tx: Transaction, ref: SearchRef, rules: ClaimRules): Promise<Claim> {
  const { generation } = ref
  const found = await tx.get<ClaimFacts>(CLAIM_FACTS, { fingerprint: fingerprintBytes(ref.fingerprint), generation })
  if (found === undefined) return { kind: 'nothing_to_do', why: 'unknown search' }
  if (found.open_id !== null && found.open_token === rules.token) return grantAgain(tx, found, found.open_id, rules)
  if (found.state === 'answered' || found.state === 'dead') return { kind: 'nothing_to_do', why: found.state }
  // `waiting` is allowed: the feeder adds the job before it marks the search as queued.
  if (found.round !== ref.round) return { kind: 'nothing_to_do', why: 'old round' }
  if (!isOfApi(found, rules.apiUrl)) return { kind: 'another_api', until: rules.now + ANOTHER_API_MS }
  if (found.pause !== null) return { kind: 'paused', cause: found.pause }
  // Maintenance looks once a second; the last call before the end of the hours is decided here.
  const hours = { hours: found.active_hours, overriddenUntil: found.hours_overridden_until }
  if (await enforceActiveHours(tx, hours, rules.now)) return { kind: 'paused', cause: 'outside_hours' }
  const rateLimitedUntil = rateLimitEndOf({ until: found.rate_limit_until, from: found.rate_limit_from }, rules.now)
  if (rateLimitedUntil !== null) return { kind: 'rate_limited', until: rateLimitedUntil }
  const openUntil = openCallUntil(tx, found, rules)
  if (openUntil !== null) return { kind: 'call_open', until: openUntil }
  if (found.payer === null) {
    await requeueSearches(tx, [found.id])
    return { kind: 'not_due' }
  }
  return (await keepReserve(tx, found, rules)) ?? grant(tx, found, found.payer, rules)
}

/** Everything that a claim depends on, read by one query: each query to a server takes a round trip. */
interface ClaimFacts {
  readonly id: number
  readonly state: SearchState
  readonly round: number
  readonly failures: number
  readonly request: string
  /** Calls made for it. */
  readonly calls: number
  /** Its call in flight. */
  readonly open_id: number | null
  readonly open_batch: number | null
  readonly open_since: number | null
  readonly open_token: number | null
  /** The oldest released batch that wants it and has budget left. */
  readonly payer: number | null
  /** The oldest cause. */
  readonly pause: PauseCause | null
  readonly balance: number | null
  /** Calls in flight for all searches. */
  readonly in_flight: number
  readonly api_address: string | null
  readonly api_adopted: string | null
  readonly rate_limit_until: string | null
  readonly rate_limit_from: string | null
  readonly active_hours: string | null
  readonly hours_overridden_until: string | null
  readonly probing: string | null
}

const CLAIM_FACTS = `
  select search.id, search.state, search.round, search.failures, search.request,
    (select count(*) from call where call.search_id = search.id) as calls,
    open.id as open_id, open.batch_id as open_batch, open.sent_at as open_since, open.token as open_token,
    (select batch.id from want $next() batch on batch.id = want.batch_id
      where want.search_id = search.id and ${CAN_PAY_SQL} order by want.batch_id limit 1) as payer,
    (select cause from pause order by since limit 1) as pause,
    (select credits_remaining from account) as balance,
    (select calls from call_count where outcome = 'sent') as in_flight,
    ${metaSql('api_address')} as api_address, ${metaSql('api_adopted')} as api_adopted,
    ${metaSql('hold_until')} as rate_limit_until, ${metaSql('hold_from')} as rate_limit_from,
    ${metaSql('active_hours')} as active_hours, ${metaSql('hours_overridden_until')} as hours_overridden_until,
    ${metaSql('probing')} as probing
  from search left join call as open on open.search_id = search.id and open.outcome = 'sent'
  where search.fingerprint = @fingerprint and search.generation = @generation`

/** The delay before a retry when calls in flight may use up the credits above the reserve. */
const RESERVE_NEAR_MS = 1000

/** By then this worker has stopped, and a worker of the right API takes the job. */
const ANOTHER_API_MS = 5000

function isOfApi({ api_address: address, api_adopted }: ClaimFacts, apiUrl: string): boolean {
  return address === null || isSameApi({ address, adopted: api_adopted !== null }, apiUrl)
}

/**
 * Until when a call in flight blocks this search. A call too old to be in flight becomes `unknown`
 * and no longer blocks.
 */
function openCallUntil(tx: Transaction, found: ClaimFacts, rules: ClaimRules): number | null {
  const { open_id: id, open_batch: batchId, open_since: since } = found
  if (id === null || batchId === null || since === null) return null
  // A call from the future was sent before the wall clock was set back: count its age from now.
  const wasSetBack = since > rules.now + SET_BACK_MS
  if (wasSetBack) tx.send('update call set sent_at = @now where id = @id', { now: rules.now, id })
  const until = (wasSetBack ? rules.now : since) + rules.openCallMaxAgeMs
  if (until > rules.now) return until
  giveUp(tx, { id, batch_id: batchId, outcome: 'sent' })
  return null
}

/** Null: enough credits are left above the reserve, even if every call in flight takes one. */
async function keepReserve(
  tx: Transaction,
  { balance, in_flight, open_id }: ClaimFacts,
  { creditReserve, now }: ClaimRules,
): Promise<Claim | null> {
  if (creditReserve <= 0) return null
  // A call that was just given up on took its credit.
  const inFlight = open_id === null ? in_flight : in_flight - 1
  const left = balance === null || open_id === null ? balance : Math.max(0, balance - 1)
  // No balance was reported yet: make one call at a time until an answer reports it.
  if (left === null) return inFlight === 0 ? null : { kind: 'reserve_near', until: now + RESERVE_NEAR_MS }
  if (left - creditReserve < 1) {
    const detail = `${left} credits are left and ${creditReserve} are kept in reserve (TRACKYARD_CREDIT_RESERVE).`
    await addPause(tx, { cause: 'reserve', since: now, detail })
    return { kind: 'paused', cause: 'reserve' }
  }
  return left - inFlight - creditReserve < 1 ? { kind: 'reserve_near', until: now + RESERVE_NEAR_MS } : null
}

async function grant(tx: Transaction, found: ClaimFacts, batchId: number, { now, token }: ClaimRules): Promise<Claim> {
  const callId = await openCall(tx, {
    searchId: found.id,
    round: found.round,
    attempt: found.calls + 1,
    batchId,
    sentAt: now,
    token,
  })
  return granted(found, callId, token)
}

/** It was granted before, but its request has not left yet. */
function grantAgain(tx: Transaction, found: ClaimFacts, callId: number, { now, token }: ClaimRules): Claim {
  tx.send('update call set sent_at = @now where id = @callId', { now, callId })
  return granted(found, callId, token)
}

function granted(found: ClaimFacts, callId: number, token: number): Claim {
  return {
    kind: 'granted',
    callId,
    token,
    request: JSON.parse(found.request) as SearchRequest,
    failures: found.failures,
    probing: found.probing !== null,
  }
}

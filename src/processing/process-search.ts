import type { Api } from '../api/client.js'
import type { BackoffRule } from '../domain/backoff.js'
import type { Clock } from '../domain/clock.js'
import type { AccountCheck, Decision, JobDecision } from '../domain/decision.js'
import type { Logger } from '../domain/logger.js'
import type { ResponseFacts } from '../domain/outcome.js'
import type { WriteFailure } from '../domain/pause.js'
import type { SearchRef } from '../domain/search-id.js'
import { newClaimToken } from '../store/claim.js'
import { repeatIfLost } from '../store/repeat.js'
import type { Claim, GrantedClaim, Store } from '../store/store.js'
import { isStoreFailure } from '../store/store-failure.js'
import { openCallSummary } from './call-summary.js'
import { checkBreaker, NOT_TRIPPED } from './circuit-breaker.js'
import { openDurableWriter, trackWriteFailures } from './durable-write.js'
import { internalCallError, openAccountChecks, type RecordedEnd, recordOutcome } from './record-outcome.js'
import type { UnsavedEnd } from './unsaved.js'

export interface SearchParts {
  readonly store: Pick<Store, 'calls' | 'pauses'>
  readonly api: Pick<Api, 'search'>
  readonly clock: Clock
  readonly random: () => number
  readonly log: Logger
  readonly rules: SearchRules
  /** GET /me, for a refusal that may apply to every search. */
  readonly checkAccount: () => Promise<AccountCheck>
  /** Called with the facts of every response. */
  readonly heard: (facts: ResponseFacts) => void
}

export interface SearchRules {
  readonly maxAttempts: number
  readonly backoff: BackoffRule
  readonly requestTimeoutMs: number
  readonly creditReserve: number
  readonly apiUrl: string
}

/** How long a job waits when the store cannot be reached. */
const STORE_AWAY_MS = 5000
/** How long a second job waits while this process still makes a call for the same search. */
const STILL_CALLING_MS = 5000

/** A call that is older than this is no longer in flight. Claims, maintenance and the delay after stalls must agree. */
export function openCallMaxAgeMs(requestTimeoutMs: number): number {
  return requestTimeoutMs + 5000
}

export interface SearchProcessor {
  handle(job: { readonly ref: SearchRef }): Promise<JobDecision>
  /** Null: the store can be written. */
  writeFailure(): WriteFailure | null
  /** Finished calls that are not in the store yet; `andRecent`: also those of the last minute. */
  unsaved(andRecent: boolean): readonly UnsavedEnd[]
  /** Logs how many calls were answered since the last time. */
  logSummary(): void
}

/**
 * Processes one job, from claim to decision:
 *
 *   claim (store: may this be called, now, by us? then it is written as sent and charged)
 *     → call (one HTTP request)
 *       → check (GET /me, free, after a refusal that may apply to every search)
 *       → decide (pure)
 *         → close (store: outcome, answer or death, pause, rate limit; one commit)
 *           → finish (the queue ends the job by the same decision)
 *
 * This order survives a crash at any point. Before the call: an open call that cost nothing. Between the
 * API's answer and our commit: an open call that may be paid for, listed as of unknown outcome. After the
 * commit: the job comes again, finds its outcome and is completed without a call.
 */
export function createSearchProcessor(parts: SearchParts): SearchProcessor {
  const { store, api, clock, log, rules } = parts
  const writer = openDurableWriter(parts)
  const claiming = trackWriteFailures('claim', clock)
  const checks = openAccountChecks(parts.checkAccount)
  const summary = openCallSummary(log)
  /**
   * Searches for which this process makes a call now. After a system sleep or a jump of the wall clock, the
   * store considers a call too old to be in flight, and the job's lock has expired. This set still knows.
   */
  const calling = new Set<string>()

  return {
    handle: async ({ ref }) => {
      await writer.settled()
      await checks.settled()
      const search = `${ref.fingerprint}-${ref.generation}`
      if (calling.has(search)) return { do: 'delay', until: clock.now() + STILL_CALLING_MS }
      const claim = await tryClaim(ref)
      if (claim === null) return { do: 'delay', until: clock.now() + STORE_AWAY_MS }
      if (claim.kind !== 'granted') return refusedClaim(claim)
      calling.add(search)
      try {
        return await makeCall(ref, claim)
      } finally {
        calling.delete(search)
      }
    },
    writeFailure: () => writer.failure.current() ?? claiming.current(),
    unsaved: writer.unsaved,
    logSummary: summary.write,
  }

  /**
   * Null: the store cannot be reached (locked, disk full); nothing was sent. A claim whose acknowledgement may be lost is
   * repeated here: only the one who made it knows that its call has not been made.
   */
  async function tryClaim(ref: SearchRef): Promise<Claim | null> {
    const { requestTimeoutMs, creditReserve, apiUrl } = rules
    const claimRules = {
      openCallMaxAgeMs: openCallMaxAgeMs(requestTimeoutMs),
      creditReserve,
      apiUrl,
      token: newClaimToken(),
    }
    try {
      const claim = await repeatIfLost(() => store.calls.claim(ref, { ...claimRules, now: clock.now() }))
      claiming.over()
      return claim
    } catch (error) {
      if (isStoreFailure(error)) claiming.failed(error)
      log.error(
        { event: 'store.claim_failed', search: ref.fingerprint, err: error, repeats: true },
        'cannot reach the store; making no call',
      )
      return null
    }
  }

  async function makeCall(ref: SearchRef, claim: GrantedClaim): Promise<JobDecision> {
    const result = await api.search(claim.request).catch((error: unknown) => internalCallError(error, log))
    parts.heard(result.facts)
    const end = await recordOutcome({ ...parts, checks, writer }, { ref, claim }, result)
    if (end === 'paused') return { do: 'requeue' }
    if (end === 'search lost') return { do: 'skip', outcome: 'nothing to do', why: 'unknown search' }
    const { decision, facts, outcome, history, endedProbe } = end
    if (decision.do === 'succeed')
      summary.answered({ durationMs: facts.durationMs, creditsLeft: facts.creditsRemaining })
    logDecision(parts, ref, claim, end)
    const aftermath = hasPaused(decision)
      ? NOT_TRIPPED
      : await writer.save(() => checkBreaker(parts, { outcome, history, probing: claim.probing }))
    return { ...decision, endedProbe, ...aftermath }
  }
}

function refusedClaim(claim: Exclude<Claim, GrantedClaim>): JobDecision {
  switch (claim.kind) {
    case 'nothing_to_do':
      return { do: 'skip', outcome: 'nothing to do', why: claim.why }
    case 'not_due':
      return { do: 'skip', outcome: 'withheld', why: 'no batch with budget left wants it' }
    case 'call_open':
    case 'reserve_near':
    case 'another_api':
      return { do: 'delay', until: claim.until }
    case 'rate_limited':
      return {
        do: 'rateLimit',
        until: claim.until,
        daily: false,
        behind: false,
        said: null,
        endedProbe: false,
        ...NOT_TRIPPED,
      }
    case 'paused':
      return { do: 'requeue' }
    default:
      return claim satisfies never
  }
}

function hasPaused(decision: Decision): boolean {
  return decision.do === 'pause' || (decision.do === 'deadLetter' && decision.pause !== null)
}

/** Logs one line per decision: the search, attempt n of m, the duration, and what happens next. An answer is only at debug. */
function logDecision(
  { log, rules }: Pick<SearchParts, 'log' | 'rules'>,
  ref: SearchRef,
  claim: GrantedClaim,
  { facts: response, decision, now }: RecordedEnd,
): void {
  const facts = {
    event: 'call.finished',
    decision: decision.do,
    search: ref.fingerprint,
    query: claim.request.query,
    call: claim.callId,
    attempt: claim.failures + 1,
    of: rules.maxAttempts,
    status: response.status,
    ms: Math.round(response.durationMs),
    ...(response.requestId === null ? {} : { requestId: response.requestId }),
    ...(response.creditsRemaining === null ? {} : { creditsRemaining: response.creditsRemaining }),
  }
  switch (decision.do) {
    case 'succeed':
      log.debug(facts, `answered with ${decision.tracks} tracks`)
      break
    case 'deadLetter':
      log.warn(
        { ...facts, code: decision.death.code, remedy: decision.death.remedy },
        `dead letter: ${decision.death.error}`,
      )
      break
    case 'rateLimit':
      log.warn(
        facts,
        `${decision.daily ? 'rate limited for the day' : 'rate limited'}${saying(decision.said)}: again in ${seconds(decision.until - now)}; all workers wait, no attempt used`,
      )
      break
    case 'pause':
      log.warn(facts, `${decision.detail}: the queue is paused, the search is requeued, no attempt used`)
      break
    case 'defer':
      log.warn(
        facts,
        `${decision.reason}, this search alone: again in ${seconds(decision.until - now)}, behind the others${lastsFor(decision.moreRefusals)}; no attempt used`,
      )
      break
    case 'retry':
      log.warn(facts, `${decision.reason}: again in ${seconds(decision.at - now)}`)
      break
    default:
      decision satisfies never
  }
}

function saying(said: string | null): string {
  return said === null ? '' : ` ("${said}")`
}

function lastsFor(more: number | null): string {
  return more === null ? '' : `, a dead letter after ${more} more ${more === 1 ? 'refusal' : 'refusals'}`
}

function seconds(ms: number): string {
  return ms < 10_000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.round(ms / 1000)} s`
}

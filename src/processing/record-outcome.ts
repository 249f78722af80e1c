import { hostname } from 'node:os'
import type { BackoffRule } from '../domain/backoff.js'
import type { Clock } from '../domain/clock.js'
import { ACCOUNT_UNKNOWN, type AccountCheck, type Decision, decide } from '../domain/decision.js'
import type { Logger } from '../domain/logger.js'
import {
  type CallResult,
  isCharged,
  ledgerOutcome,
  NOTHING_SAID,
  type Outcome,
  type ResponseFacts,
} from '../domain/outcome.js'
import { isLastRateLimit, ledgerDetail, NEVER_REFUSED, type RefusalHistory } from '../domain/refusals.js'
import type { SearchRef } from '../domain/search-id.js'
import { LostSearchError } from '../store/close-call.js'
import type { GrantedClaim, Store } from '../store/store.js'
import type { DurableWriter } from './durable-write.js'

/** A call with the decision on it, as recorded. */
export interface RecordedEnd extends CallResult {
  readonly decision: Decision
  readonly history: RefusalHistory
  readonly endedProbe: boolean
  readonly now: number
}

interface EndParts {
  readonly store: Pick<Store, 'calls' | 'pauses'>
  readonly clock: Clock
  readonly random: () => number
  readonly log: Logger
  readonly rules: { readonly maxAttempts: number; readonly backoff: BackoffRule }
  readonly checks: AccountChecks
  readonly writer: DurableWriter
}

const HERE = `pid ${process.pid} on ${hostname()}`

interface ClaimedSearch {
  readonly ref: SearchRef
  readonly claim: GrantedClaim
}

/**
 * Decides on a call and commits its outcome. If a bug of ours throws, saving the same again would fail the
 * same way. A call left open would be made and paid for again once it is too old. So a minimal outcome is
 * recorded instead: an answer as unreadable, which is kept and never bought again automatically; everything
 * else as a failed attempt. If even that fails, the queue is paused for a person to look.
 * @returns why nothing could be recorded: the queue is paused, or the store was restored and has lost the search
 */
export async function recordOutcome(
  parts: EndParts,
  { ref, claim }: ClaimedSearch,
  result: CallResult,
): Promise<RecordedEnd | 'paused' | 'search lost'> {
  const { log, clock, store, writer } = parts
  const call = { search: ref.fingerprint, call: claim.callId, query: claim.request.query }
  try {
    return await decideAndClose(parts, { ref, claim }, result)
  } catch (error) {
    if (error instanceof LostSearchError) {
      log.error(
        { event: 'call.search_lost', ...call, err: error },
        'the store was restored and has lost this search: its answer, perhaps paid for, is not kept',
      )
      return 'search lost'
    }
    log.error(
      { event: 'call.record_failed', ...call, err: error, repeats: true },
      'a bug prevented the outcome of a call from being recorded; recording a minimal one',
    )
    const plain = internalSaveError(error, result)
    try {
      return await decideAndClose(parts, { ref, claim }, plain)
    } catch (again) {
      const detail = `call ${claim.callId} cannot be recorded, so it may be paid for; see the log`
      await writer.save(() => store.pauses.add({ cause: 'failing', since: clock.now(), detail }))
      log.error({ event: 'queue.paused', ...call, err: again, repeats: true }, `paused: ${detail}`)
      return 'paused'
    }
  }
}

async function decideAndClose(
  parts: EndParts,
  { ref, claim }: ClaimedSearch,
  { outcome, facts }: CallResult,
): Promise<RecordedEnd> {
  const { writer } = parts
  const history = isRefusal(outcome) ? await writer.save(() => parts.store.calls.refusalHistory(ref)) : NEVER_REFUSED
  const account = await parts.checks.after(outcome, history)
  const now = parts.clock.now()
  const decision = decide(outcome, {
    failuresBefore: claim.failures,
    maxAttempts: parts.rules.maxAttempts,
    backoff: parts.rules.backoff,
    now,
    durationMs: facts.durationMs,
    random: parts.random(),
    history,
    account,
  })
  const { callId, token, request } = claim
  const end = {
    outcome: ledgerOutcome(outcome),
    detail: ledgerDetail(outcome),
    facts: withBalance(facts, account),
    decision,
    now,
    worker: HERE,
  }
  const save = () => parts.store.calls.close({ id: callId, token, ref }, end, parts.clock.now())
  const { endedProbe } = await writer.save(save, { callId, token, ref, query: request.query, end })
  return { outcome, facts, decision, history, endedProbe, now }
}

function isRefusal({ kind }: Outcome): boolean {
  return kind === 'rate_limited' || kind === 'out_of_credits'
}

/** GET /me answered later, so its balance wins: a 402 alone would count as an empty account. */
function withBalance(facts: ResponseFacts, { balance }: AccountCheck): ResponseFacts {
  return balance === null ? facts : { ...facts, creditsRemaining: balance }
}

/**
 * Calls GET /me after a refusal that may apply to every search. It is free and tells whether that is true.
 * Refusals that arrive together share one check. This process makes no new call until the check is done:
 * if the account is empty, each new call would be refused as well.
 */
export interface AccountChecks {
  /** Never rejects. */
  after(outcome: Outcome, history: RefusalHistory): Promise<AccountCheck>
  /** Resolves when no check is running. */
  settled(): Promise<void>
}

export function openAccountChecks(check: () => Promise<AccountCheck>): AccountChecks {
  let running: Promise<AccountCheck> | null = null

  function checkOnce(): Promise<AccountCheck> {
    running ??= check()
      .catch(() => ACCOUNT_UNKNOWN)
      .finally(() => {
        running = null
      })
    return running
  }

  return {
    after: async (outcome, history) => (isWorthChecking(outcome, history) ? checkOnce() : ACCOUNT_UNKNOWN),
    async settled() {
      while (running !== null) await running
    },
  }
}

function isWorthChecking(outcome: Outcome, history: RefusalHistory): boolean {
  switch (outcome.kind) {
    case 'unauthorized':
    case 'out_of_credits':
      return true
    case 'rate_limited':
      return isLastRateLimit(history)
    case 'answered':
    case 'unreadable':
    case 'refused':
    case 'transient':
      return false
    default:
      return outcome satisfies never
  }
}

/**
 * A bug of ours threw during a call, before or after the request was sent. The call may be paid for. It
 * uses an attempt: otherwise an answer that always triggers the bug would be bought again forever.
 */
export function internalCallError(error: unknown, log: Logger): CallResult {
  log.error(
    { event: 'call.internal_error', err: error, repeats: true },
    'a bug ended a call; it counts as a failed attempt that may be paid for',
  )
  return failure(error, true)
}

/**
 * The minimum to record for a call whose outcome cannot be recorded because of a bug. A body that may be
 * paid for is kept as unreadable. A call without one is a failed attempt.
 */
function internalSaveError(error: unknown, { outcome, facts }: CallResult): CallResult {
  return outcome.kind === 'answered' || outcome.kind === 'unreadable'
    ? {
        outcome: { kind: 'unreadable', status: facts.status ?? 200, body: outcome.body, problem: inWords(error) },
        facts: NOTHING_SAID,
      }
    : failure(error, isCharged(ledgerOutcome(outcome)))
}

function failure(error: unknown, maybePaid: boolean): CallResult {
  return {
    outcome: { kind: 'transient', reason: inWords(error), status: null, refusal: null, retryAfterMs: null, maybePaid },
    facts: NOTHING_SAID,
  }
}

function inWords(error: unknown): string {
  return `internal error in trackyard-batch (${error instanceof Error ? error.name : typeof error}); see the log`
}

import { type BackoffRule, backoffMs, DEFAULT_RATE_LIMIT_WAIT_MS, serverWaitMs } from './backoff.js'
import { type Death, remedyFor } from './dead-letter.js'
import type { Outcome, Refusal } from './outcome.js'
import type { PauseCause } from './pause.js'
import {
  isLimitedAlone,
  isUncompared,
  mostRateLimits,
  mostRefusals,
  type RefusalHistory,
  refusalInWords,
  wordsOf,
} from './refusals.js'
import type { Tagging } from './tags.js'

/**
 * What one outcome means for its search and for all workers. `decide` makes it, the store's `close` commits
 * it, then the queue's `finishJob` ends the job by it. Pure, so that one test covers the whole error table.
 * Waiting is not failing: only `retry`, and the last failure, use an attempt.
 *
 * `behind`: the search comes back behind the waiting ones of its priority, else before all of them.
 */
export type Decision =
  /** Keep the answer, then complete the job. */
  | {
      readonly do: 'succeed'
      readonly body: string
      readonly tracks: number
      /** Missing: an export makes it from the body. */
      readonly tagging?: Tagging | null
      readonly durationMs: number
    }
  /** A dead letter at once. `body` is kept if it may be paid for. `pause`: the cause for which the queue is paused, too. */
  | {
      readonly do: 'deadLetter'
      readonly death: Death
      readonly body: string | null
      readonly pause: PauseCause | null
      readonly usesAttempt: boolean
    }
  /** No calls until then; the search keeps its attempts. */
  | {
      readonly do: 'rateLimit'
      readonly until: number
      readonly daily: boolean
      readonly behind: boolean
      /** The API's reason; null where it gave none. */
      readonly said: string | null
    }
  /** No calls until the cause is gone; the search keeps its attempts and goes behind the others. */
  | { readonly do: 'pause'; readonly cause: PauseCause; readonly detail: string }
  /** The refusal sounds general but concerns only this search: it waits until then, behind the others, and keeps its attempts. */
  | {
      readonly do: 'defer'
      readonly until: number
      readonly reason: string
      /** After this many more refusals it becomes a dead letter; null: no limit at the moment. */
      readonly moreRefusals: number | null
    }
  /** Call again at that time; an attempt is used. */
  | { readonly do: 'retry'; readonly at: number; readonly reason: string }

/** What is known only after the commit of a decision. */
export interface Aftermath {
  /** The answer ended a probe, so all slots may run. */
  readonly endedProbe: boolean
  /** The cause for which the circuit breaker has just paused the queue. */
  readonly tripped: PauseCause | null
  /** Other searches fail as well, so a failed one comes back behind the waiting ones. */
  readonly othersFail: boolean
}

/** How a job ends: by the decision on its call, or, where no call was made, by one of these. */
export type JobDecision =
  | (Decision & Aftermath)
  /** Complete the job: its search is settled, or no batch with budget left wants it. */
  | { readonly do: 'skip'; readonly outcome: 'nothing to do' | 'withheld'; readonly why: string }
  /** Not now: run it again then, before the backlog; no attempt used. */
  | { readonly do: 'delay'; readonly until: number }
  /** The store has a pause: pause the queue as well and requeue the job at its head; no attempt used. */
  | { readonly do: 'requeue' }

export interface DecisionContext {
  /** Attempts used before this call, in this round of the search. */
  readonly failuresBefore: number
  readonly maxAttempts: number
  readonly backoff: BackoffRule
  readonly now: number
  /** How long the call took. */
  readonly durationMs: number
  /** From 0 up to 1: the jitter. */
  readonly random: number
  readonly history: RefusalHistory
  /** The result of GET /me after the call. */
  readonly account: AccountCheck
}

/** The result of GET /me, called after a refusal that may apply to every search. */
export interface AccountCheck {
  /** The API accepts the key and answers. False: not called, not reachable, or the key is rejected. */
  readonly isGood: boolean
  /** No calls are left for today. */
  readonly isOutOfToday: boolean
  /** Null: unknown. */
  readonly balance: number | null
  /** Credits that may be spent, the reserve excluded; 0: none, or unknown. */
  readonly spendable: number
}

export const ACCOUNT_UNKNOWN: AccountCheck = { isGood: false, isOutOfToday: false, balance: null, spendable: 0 }

export function decide(outcome: Outcome, context: DecisionContext): Decision {
  switch (outcome.kind) {
    case 'answered': {
      const { body, tracks, tagging } = outcome
      return { do: 'succeed', body, tracks, tagging, durationMs: context.durationMs }
    }
    case 'unreadable':
      return deadLetter(unreadableDeath(outcome), { body: outcome.body })
    case 'rate_limited':
      return decideRateLimit(outcome, context)
    case 'out_of_credits':
      return decideOutOfCredits(outcome.refusal, context)
    case 'unauthorized':
      return decideUnauthorized(outcome.refusal, context.account)
    case 'refused':
      return deadLetter(deathOf('refused', outcome.refusal))
    case 'transient':
      return decideTransient(outcome, context)
    default:
      return outcome satisfies never
  }
}

/** By default the call was free, no attempt is used and the queue goes on. */
function deadLetter(death: Death, more: Partial<Extract<Decision, { do: 'deadLetter' }>> = {}): Decision {
  return { do: 'deadLetter', death, body: null, pause: null, usesAttempt: false, ...more }
}

/**
 * All searches wait for a rate limit of the key. The second time in a row, and after a daily limit (which
 * a person may lift early), this search goes behind the others: if they are answered, only it is limited.
 * A 403 whose only sign is that nothing remains of the minute is ambiguous: only this search waits.
 */
function decideRateLimit(outcome: Extract<Outcome, { kind: 'rate_limited' }>, context: DecisionContext): Decision {
  const { history, now } = context
  const { refusal, retryAfterMs, daily } = outcome
  const refusals = history.rateLimits + 1
  const most = mostRateLimits(history, context.account.isGood && !context.account.isOutOfToday && !daily)
  if (refusals >= most)
    return deadLetter(
      refusedAlone(refusal, `${refusals} times${isUncompared(history) ? '' : ', while others were answered'}`),
    )
  const until = now + serverWaitMs(retryAfterMs ?? DEFAULT_RATE_LIMIT_WAIT_MS)
  const isForAll = refusal.status === 429 || retryAfterMs !== null
  if (isForAll && !isLimitedAlone(history) && !(isUncompared(history) && refusals > 1 && !daily))
    return { do: 'rateLimit', until, daily, behind: refusals > 1 || daily, said: wordsOf(refusal) }
  return {
    do: 'defer',
    until: Math.max(until, growingWait(refusals, context)),
    reason: refusalInWords(refusal),
    moreRefusals: Number.isFinite(most) ? most - refusals : null,
  }
}

/**
 * Only GET /me tells an empty account from a single refused search. If it gives no balance, the account
 * counts as empty.
 */
function decideOutOfCredits(refusal: Refusal, context: DecisionContext): Decision {
  const { history, account } = context
  if (account.spendable === 0)
    return { do: 'pause', cause: 'no_credits', detail: wordsOf(refusal) ?? `HTTP ${refusal.status}` }
  const refusals = history.refusals + 1
  const moreRefusals = mostRefusals(history) - refusals
  if (moreRefusals <= 0) return deadLetter(refusedAlone(refusal, `${refusals} times, while the account had credits`))
  return { do: 'defer', until: growingWait(refusals, context), reason: refusalInWords(refusal), moreRefusals }
}

/** Half the jitter of other retries: a few short waits in a row would cause a dead letter within seconds. */
function growingWait(refusals: number, { backoff, now, random }: DecisionContext): number {
  return now + backoffMs(refusals, backoff, 0.5 + random / 2)
}

/**
 * If GET /me does not confirm the key, the queue is paused: a bad key would turn every search into a dead
 * letter. A 401 is free.
 */
function decideUnauthorized(refusal: Refusal, account: AccountCheck): Decision {
  if (!account.isGood) return deadLetter(deathOf('unauthorized', refusal), { pause: 'unauthorized' })
  const remedy = 'GET /me accepts the key, so only this search is refused: check what the API said, then retry.'
  return deadLetter({ ...deathOf('refused', refusal), remedy })
}

function refusedAlone(refusal: Refusal, howOften: string): Death {
  const remedy = `The API refused this search ${howOften}: check its message, then retry (a refusal is free).`
  return { ...deathOf('refused', refusal), remedy }
}

function decideTransient(outcome: Extract<Outcome, { kind: 'transient' }>, context: DecisionContext): Decision {
  const failures = context.failuresBefore + 1
  if (failures >= context.maxAttempts) return deadLetter(exhaustedDeath(outcome, failures), { usesAttempt: true })
  const waitMs =
    outcome.retryAfterMs === null
      ? backoffMs(failures, context.backoff, context.random)
      : serverWaitMs(outcome.retryAfterMs)
  return { do: 'retry', at: context.now + waitMs, reason: outcome.reason }
}

function deathOf(reason: 'refused' | 'unauthorized', refusal: Refusal): Death {
  return {
    reason,
    status: refusal.status,
    ...namedBy(refusal),
    code: refusal.code,
    requestId: refusal.requestId,
    remedy: remedyFor(refusal.status),
  }
}

/** A page that is not from the API has no error field, so its text becomes the error. The status is shown separately. */
function namedBy({ error, message }: Refusal): { error: string; message: string | null } {
  return error === null ? { error: message ?? 'No reason given', message: null } : { error, message }
}

function unreadableDeath({ status, problem }: Extract<Outcome, { kind: 'unreadable' }>): Death {
  return {
    reason: 'unreadable',
    status,
    error: 'The answer cannot be read',
    code: 'unreadable',
    message: problem,
    requestId: null,
    remedy:
      'This answer may be paid for already and is kept (`trackyard-batch show`); a retry buys it again for 1 credit.',
  }
}

function exhaustedDeath(outcome: Extract<Outcome, { kind: 'transient' }>, failures: number): Death {
  const said = outcome.refusal
  return {
    reason: 'attempts_used_up',
    status: outcome.status,
    ...(said === null ? { error: outcome.reason, message: `Failed ${failures} times.` } : namedBy(said)),
    code: said?.code ?? null,
    requestId: said?.requestId ?? null,
    remedy:
      'Every attempt is listed by `trackyard-batch show`. Retry when the API works again. If the error persists, quote the request id to support.',
  }
}

/** For a search that crashed its workers too often to be retried automatically. */
export function crashedDeath(message: string): Death {
  return {
    reason: 'crashed',
    status: null,
    error: 'The worker crashed each time it processed this search',
    code: 'crashed',
    message,
    requestId: null,
    remedy:
      "Look at the worker's log around these times, then retry; `trackyard-batch show` lists calls of unknown outcome, each of which may have cost a credit.",
  }
}

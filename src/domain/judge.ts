import { type BackoffRule, backoffMs, DEFAULT_RATE_LIMIT_WAIT_MS, serverWaitMs } from './backoff.js'
import { type Death, remedyFor } from './dead-letter.js'
import type { Outcome, Refusal } from './outcome.js'
import type { PauseCause } from './pause-cause.js'

/**
 * The heart: what one outcome means for its search and for the fleet. Pure, so that the whole error
 * table is one test. Waiting is not failing: only `retry` (and the last failure) uses an attempt.
 */
export type Verdict =
  /** Keep the answer, then finish the job. */
  | { readonly do: 'keep'; readonly body: string; readonly tracks: number }
  /** Dead at once. `body` is kept when it may be paid for; `pause` when every further call would fail alike. */
  | {
      readonly do: 'bury'
      readonly death: Death
      readonly body: string | null
      readonly pause: PauseCause | null
      readonly usesAttempt: boolean
    }
  /** Nobody calls until then; the search keeps its attempts and comes back before the backlog. */
  | { readonly do: 'hold'; readonly until: number; readonly daily: boolean }
  /** Nobody calls until the cause is gone; the search goes back to the head with its attempts. */
  | { readonly do: 'pause'; readonly cause: PauseCause; readonly detail: string }
  /** Again at that time; an attempt is used. */
  | { readonly do: 'retry'; readonly at: number; readonly reason: string }

export interface JudgeContext {
  /** Attempts used before this call, in this life of the search. */
  readonly failuresBefore: number
  readonly maxAttempts: number
  readonly backoff: BackoffRule
  readonly now: number
  /** From 0 up to 1: the jitter. */
  readonly random: number
}

export function judge(outcome: Outcome, context: JudgeContext): Verdict {
  switch (outcome.kind) {
    case 'answered':
      return { do: 'keep', body: outcome.body, tracks: outcome.tracks }
    case 'unreadable':
      return {
        do: 'bury',
        death: unreadableDeath(outcome),
        body: outcome.body,
        pause: null,
        usesAttempt: false,
      }
    case 'rate_limited':
      return hold(outcome.retryAfterMs ?? DEFAULT_RATE_LIMIT_WAIT_MS, outcome.daily, context.now)
    case 'out_of_credits':
      // The documented 402 has no Retry-After. One that has says itself when to come back.
      return outcome.retryAfterMs === null
        ? { do: 'pause', cause: 'no_credits', detail: saidBy(outcome.refusal) }
        : hold(outcome.retryAfterMs, false, context.now)
    case 'unauthorized':
      return {
        do: 'bury',
        death: deathOf('unauthorized', outcome.refusal),
        body: null,
        pause: 'unauthorized',
        usesAttempt: false,
      }
    case 'refused':
      return { do: 'bury', death: deathOf('refused', outcome.refusal), body: null, pause: null, usesAttempt: false }
    case 'transient':
      return judgeTransient(outcome, context)
    default:
      return outcome satisfies never
  }
}

function hold(retryAfterMs: number, daily: boolean, now: number): Verdict {
  return { do: 'hold', until: now + serverWaitMs(retryAfterMs), daily }
}

function judgeTransient(outcome: Extract<Outcome, { kind: 'transient' }>, context: JudgeContext): Verdict {
  const failures = context.failuresBefore + 1
  if (failures >= context.maxAttempts) {
    return { do: 'bury', death: exhaustedDeath(outcome, failures), body: null, pause: null, usesAttempt: true }
  }
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

/** A foreign page has no error field: what it says is all there is. The status is told beside it. */
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
      'Every attempt is listed by `trackyard-batch show`. Retry when the API is well again; if it stays, quote the request id to support.',
  }
}

/** The death of a search that took its worker down too often to be tried again unasked. */
export function crashedDeath(message: string): Death {
  return {
    reason: 'crashed',
    status: null,
    error: 'The worker died each time with this search in hand',
    code: 'crashed',
    message,
    requestId: null,
    remedy:
      "Look at the worker's log around these times, then retry; `trackyard-batch show` lists calls of unknown outcome, each of which may have cost a credit.",
  }
}

function saidBy(refusal: Refusal): string {
  return [refusal.error ?? `HTTP ${refusal.status}`, refusal.message].filter((text) => text !== null).join(': ')
}

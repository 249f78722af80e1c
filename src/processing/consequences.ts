import type { Decision } from '../domain/decision.js'
import { type CallOutcome, ledgerOutcome, type Outcome } from '../domain/outcome.js'
import type { PauseCause } from '../domain/pause-cause.js'
import { refusalDetail, retryAfterInWords } from '../domain/refusals.js'
import type { Step } from '../domain/step.js'
import type { Closing } from '../store/store.js'

/** Turns one decision into what the store writes (`closingOf`) and what the queue then does (`stepOf`). */
export function closingOf(
  outcome: Outcome,
  decision: Decision,
  now: number,
): { readonly outcome: CallOutcome; readonly detail: string | null; readonly closing: Closing } {
  return { outcome: ledgerOutcome(outcome), detail: detailOf(outcome), closing: searchClosing(decision, now) }
}

function searchClosing(decision: Decision, now: number): Closing {
  switch (decision.do) {
    case 'succeed':
      return { search: 'answered', body: decision.body, tracks: decision.tracks }
    case 'deadLetter':
      return {
        search: 'dead',
        death: decision.death,
        body: decision.body,
        pause: decision.pause === null ? null : { cause: decision.pause, since: now, detail: decision.death.error },
        usesAttempt: decision.usesAttempt,
      }
    case 'rateLimit':
      return { search: 'kept', pause: null, rateLimitedUntil: decision.until, holdDetail: decision.said }
    case 'defer':
      return { search: 'deferred' }
    case 'pause':
      return {
        search: 'kept',
        pause: { cause: decision.cause, since: now, detail: decision.detail },
        rateLimitedUntil: null,
      }
    case 'retry':
      return { search: 'failed' }
    default:
      return decision satisfies never
  }
}

/** What the ledger keeps besides the status: one short sentence; null where the status is enough. */
function detailOf(outcome: Outcome): string | null {
  switch (outcome.kind) {
    case 'answered':
      return `${outcome.tracks} tracks`
    case 'unreadable':
      return outcome.problem
    case 'rate_limited':
      return refusalDetail(outcome.refusal, retryAfterInWords(outcome.retryAfterMs))
    case 'out_of_credits':
    case 'unauthorized':
    case 'refused':
      return refusalDetail(outcome.refusal)
    case 'transient':
      return outcome.reason
    default:
      return outcome satisfies never
  }
}

/** @param context `tripped`: the circuit breaker has just paused the queue. `behind`: a failed search goes behind the waiting ones. */
export function stepOf(
  decision: Decision,
  context: {
    readonly endedProbe: boolean
    readonly durationMs: number
    readonly now: number
    readonly tripped: PauseCause | null
    readonly behind: boolean
  },
): Step {
  switch (decision.do) {
    case 'succeed':
      return {
        do: 'complete',
        summary: { outcome: 'answered', tracks: decision.tracks, ms: Math.round(context.durationMs) },
        endProbe: context.endedProbe,
      }
    case 'deadLetter': {
      const { status, code, error, message } = decision.death
      const reason = [status, code ?? error, message].filter((part) => part !== null).join(' · ')
      return { do: 'deadLetter', reason, pause: decision.pause ?? context.tripped }
    }
    case 'rateLimit':
      return decision.behind
        ? { do: 'defer', until: decision.until, rateLimitAll: true, pause: null }
        : { do: 'delay', until: decision.until, rateLimitAll: true }
    // Deferred, not put at the head: otherwise every probe would call this same search and no other.
    case 'pause':
      return { do: 'defer', until: context.now, rateLimitAll: false, pause: decision.cause }
    case 'defer':
      return { do: 'defer', until: decision.until, rateLimitAll: false, pause: context.tripped }
    case 'retry':
      return {
        do: 'retry',
        delayMs: Math.max(1, decision.at - context.now),
        reason: decision.reason,
        behind: context.behind,
        pause: context.tripped,
      }
    default:
      return decision satisfies never
  }
}

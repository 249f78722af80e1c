import type { Verdict } from '../domain/judge.js'
import { type CallOutcome, ledgerOutcome, type Outcome } from '../domain/outcome.js'
import type { PauseCause } from '../domain/pause-cause.js'
import { refusalDetail, retryAfterInWords } from '../domain/refusals.js'
import type { Step } from '../domain/step.js'
import type { Closing } from '../store/store.js'

/** One verdict, two consequences: what the store writes, and what the queue then does with the job. */
export function closingOf(
  outcome: Outcome,
  verdict: Verdict,
  now: number,
): { readonly outcome: CallOutcome; readonly detail: string | null; readonly closing: Closing } {
  return { outcome: ledgerOutcome(outcome), detail: detailOf(outcome), closing: searchClosing(verdict, now) }
}

function searchClosing(verdict: Verdict, now: number): Closing {
  switch (verdict.do) {
    case 'keep':
      return { search: 'answered', body: verdict.body, tracks: verdict.tracks }
    case 'bury':
      return {
        search: 'dead',
        death: verdict.death,
        body: verdict.body,
        pause: verdict.pause === null ? null : { cause: verdict.pause, since: now, detail: verdict.death.error },
        usesAttempt: verdict.usesAttempt,
      }
    case 'hold':
      return { search: 'kept', pause: null, holdUntil: verdict.until, holdDetail: verdict.said }
    case 'defer':
      return { search: 'deferred' }
    case 'pause':
      return { search: 'kept', pause: { cause: verdict.cause, since: now, detail: verdict.detail }, holdUntil: null }
    case 'retry':
      return { search: 'failed' }
    default:
      return verdict satisfies never
  }
}

/** What the ledger keeps besides the status: one short sentence, null where the status says all. */
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

/** @param context `tripped`: the breaker has just paused the fleet. `behind`: what failed comes back behind the others. */
export function stepOf(
  verdict: Verdict,
  context: {
    readonly endedProbe: boolean
    readonly durationMs: number
    readonly now: number
    readonly tripped: PauseCause | null
    readonly behind: boolean
  },
): Step {
  switch (verdict.do) {
    case 'keep':
      return {
        do: 'complete',
        summary: { outcome: 'answered', tracks: verdict.tracks, ms: Math.round(context.durationMs) },
        endProbe: context.endedProbe,
      }
    case 'bury': {
      const { status, code, error, message } = verdict.death
      const reason = [status, code ?? error, message].filter((part) => part !== null).join(' · ')
      return { do: 'bury', reason, pause: verdict.pause ?? context.tripped }
    }
    case 'hold':
      return verdict.behind
        ? { do: 'defer', until: verdict.until, holdFleet: true, pause: null }
        : { do: 'delay', until: verdict.until, holdFleet: true }
    // At the head it would be the one call that tries whether the account is full again, and no other search would be.
    case 'pause':
      return { do: 'defer', until: context.now, holdFleet: false, pause: verdict.cause }
    case 'defer':
      return { do: 'defer', until: verdict.until, holdFleet: false, pause: context.tripped }
    case 'retry':
      return {
        do: 'retry',
        delayMs: Math.max(1, verdict.at - context.now),
        reason: verdict.reason,
        behind: context.behind,
        pause: context.tripped,
      }
    default:
      return verdict satisfies never
  }
}

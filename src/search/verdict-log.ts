import type { Verdict } from '../domain/judge.js'
import type { Logger } from '../domain/logger.js'
import type { ResponseFacts } from '../domain/outcome.js'
import type { SearchRequest } from '../domain/request.js'
import type { SearchRef } from '../domain/search-id.js'

/** One line per decision: which search, attempt n of m, how long it took, what happens next. */
export function logVerdict(
  log: Logger,
  call: {
    readonly ref: SearchRef
    readonly claim: { readonly callId: number; readonly failures: number; readonly request: SearchRequest }
    readonly facts: ResponseFacts
    readonly verdict: Verdict
    readonly maxAttempts: number
    readonly now: number
  },
): void {
  const facts = {
    search: call.ref.fingerprint,
    query: call.claim.request.query,
    call: call.claim.callId,
    attempt: call.claim.failures + 1,
    of: call.maxAttempts,
    status: call.facts.status,
    ms: Math.round(call.facts.durationMs),
    ...(call.facts.requestId === null ? {} : { requestId: call.facts.requestId }),
    ...(call.facts.creditsRemaining === null ? {} : { creditsLeft: call.facts.creditsRemaining }),
  }
  const { verdict } = call
  switch (verdict.do) {
    case 'keep':
      log.info(facts, `answered with ${verdict.tracks} tracks`)
      break
    case 'bury':
      log.warn(
        { ...facts, code: verdict.death.code, remedy: verdict.death.remedy },
        `dead letter: ${verdict.death.error}`,
      )
      break
    case 'hold':
      log.warn(
        facts,
        `${verdict.daily ? 'rate limited for the day' : 'rate limited'}${saying(verdict.said)}: again in ${seconds(verdict.until - call.now)}, the fleet waits; no attempt used`,
      )
      break
    case 'pause':
      log.warn(facts, `${verdict.detail}: the queue is paused, the search goes back; no attempt used`)
      break
    case 'defer':
      log.warn(
        facts,
        `${verdict.reason}, this search alone: again in ${seconds(verdict.until - call.now)}, behind the others${lastsFor(verdict.moreRefusals)}; no attempt used`,
      )
      break
    case 'retry':
      log.warn(facts, `${verdict.reason}: again in ${seconds(verdict.at - call.now)}`)
      break
    default:
      verdict satisfies never
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

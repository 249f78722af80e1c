import type { Decision } from '../domain/decision.js'
import type { Logger } from '../domain/logger.js'
import type { ResponseFacts } from '../domain/outcome.js'
import type { SearchRequest } from '../domain/request.js'
import type { SearchRef } from '../domain/search-id.js'

/** Logs one line per decision: the search, attempt n of m, the duration, and what happens next. */
export function logDecision(
  log: Logger,
  call: {
    readonly ref: SearchRef
    readonly claim: { readonly callId: number; readonly failures: number; readonly request: SearchRequest }
    readonly facts: ResponseFacts
    readonly decision: Decision
    readonly maxAttempts: number
    readonly now: number
  },
): void {
  const facts = {
    event: 'call.finished',
    decision: call.decision.do,
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
  const { decision } = call
  switch (decision.do) {
    case 'succeed':
      log.info(facts, `answered with ${decision.tracks} tracks`)
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
        `${decision.daily ? 'rate limited for the day' : 'rate limited'}${saying(decision.said)}: again in ${seconds(decision.until - call.now)}; all workers wait, no attempt used`,
      )
      break
    case 'pause':
      log.warn(facts, `${decision.detail}: the queue is paused, the search is requeued, no attempt used`)
      break
    case 'defer':
      log.warn(
        facts,
        `${decision.reason}, this search alone: again in ${seconds(decision.until - call.now)}, behind the others${lastsFor(decision.moreRefusals)}; no attempt used`,
      )
      break
    case 'retry':
      log.warn(facts, `${decision.reason}: again in ${seconds(decision.at - call.now)}`)
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

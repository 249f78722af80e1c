import type { AuditedCall } from './audit.js'
import type { Evidence, Match, ServerCall } from './evidence.js'

/**
 * Calls of unknown outcome excuse a second payment. So each must have a cause in the simulator's log or among the kills;
 * otherwise a program that loses answers would pass. Causes: the server never began to answer, it answered too late, or
 * the worker was killed before it recorded the answer. A worker records answers in the order in which they arrive. So if
 * it has recorded a later one, the kill is not the cause.
 */

/** A difference between two times of one clock that is large enough to tell which event came later, ms. */
const LATER_MS = 500
/** The ledger's text for a call whose answer came after that of another call: both were paid for. */
const PAID_AGAIN = /paid for twice/

/** Why the unknown outcome of this call has no cause. Null: it has one. */
export function unexplainedUnknown(
  call: AuditedCall,
  seen: ServerCall | null,
  all: readonly Match[],
  evidence: Pick<Evidence, 'kills' | 'freezes' | 'requestTimeoutMs'>,
): string | null {
  const { kills, freezes, requestTimeoutMs } = evidence
  if (call.detail !== null && PAID_AGAIN.test(call.detail))
    return seen?.status === 200 ? null : 'it is listed as paid twice, but the server never answered it'
  // A 200 that was cut off is recorded as unreadable, not as unknown.
  const hadHead = seen?.finished === 'cut' && seen.status === 200
  if (seen !== null && seen.finished !== 'answered' && !hadHead) return null
  if (call.finishedAt !== null) {
    const waited = call.finishedAt - call.sentAt
    const wasFrozen = freezes.some(({ from, to }) => from < (call.finishedAt ?? 0) && to > call.sentAt)
    if (waited >= requestTimeoutMs || wasFrozen || seen === null) return null
    return `it was answered, but given up after ${waited} ms`
  }
  // No end was recorded: the worker must have been killed after the answer, or before it sent the request.
  const wasKilled = kills.some(({ worker, startedAt, to }) => {
    const mayBeOurs = seen === null ? startedAt <= call.sentAt : worker === seen.worker
    return mayBeOurs && to >= call.sentAt && !hasRecordedLater(worker, call, seen, all)
  })
  return wasKilled ? null : 'its end was never recorded, and no worker was killed during the call'
}

/**
 * Whether the worker has recorded a call that was answered after this one; or, if this one never reached the server, a
 * call that was made after it.
 */
function hasRecordedLater(worker: number, call: AuditedCall, seen: ServerCall | null, all: readonly Match[]): boolean {
  return all.some(({ server, ledger }) => {
    if (server.worker !== worker || ledger.finishedAt === null) return false
    return seen === null
      ? ledger.sentAt > call.sentAt + LATER_MS
      : (server.answeredAt ?? 0) > (seen.answeredAt ?? 0) + LATER_MS
  })
}

/** Promise 2: each kill leaves at most one call without a recorded end per slot. */
export function tooManyWithoutEnd({ audit, kills, concurrency }: Evidence): readonly string[] {
  const orphaned = audit.calls.filter((call) => call.outcome === 'unknown' && call.finishedAt === null).length
  const atMost = kills.length * concurrency
  return orphaned > atMost
    ? [
        `${orphaned} calls have no recorded end, but ${kills.length} kills with ${concurrency} slots explain at most ${atMost}`,
      ]
    : []
}

/** Calls that were sent between the end of a `pause` and the start of the next `resume`. There must be none. */
export function callsWhilePaused({ audit, pauses }: Evidence): readonly AuditedCall[] {
  return audit.calls.filter(({ sentAt }) => pauses.some(({ from, to }) => sentAt > from && sentAt < to))
}

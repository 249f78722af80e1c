import type { AuditedCall } from './audit.js'
import type { Evidence, Match, ServerCall } from './evidence.js'

/**
 * Calls of unknown outcome excuse a second payment, so each of them needs an excuse of its own: a program
 * that forgot its answers would otherwise look innocent. What excuses one is the other side's story: the answer never
 * began to go out, or went out too late, or the worker that it went to was killed before it had recorded it. How long a worker
 * takes for that is up to the machine; but it records in order, so one that has recorded a later answer has forgotten this one.
 */
/** Later by so much is later for certain: the server's own clock between two answers, or the worker's between two calls, ms. */
const LATER_MS = 500
/** Its answer came, but after another call's: listed because it was paid for all the same. */
const PAID_AGAIN = /paid for twice/

/** Null: it is explained. Else what is strange about it. */
export function strangeUnknown(
  call: AuditedCall,
  seen: ServerCall | null,
  all: readonly Match[],
  evidence: Pick<Evidence, 'kills' | 'freezes' | 'requestTimeoutMs'>,
): string | null {
  const { kills, freezes, requestTimeoutMs } = evidence
  if (call.detail !== null && PAID_AGAIN.test(call.detail))
    return seen?.status === 200 ? null : 'it is listed as paid twice, and the server never answered it'
  // Cut in the middle of a 200 it is kept as unreadable, like any that cannot be read.
  const hadHead = seen?.finished === 'cut' && seen.status === 200
  if (seen !== null && seen.finished !== 'answered' && !hadHead) return null
  if (call.finishedAt !== null) {
    const waited = call.finishedAt - call.sentAt
    const wasFrozen = freezes.some(({ from, to }) => from < (call.finishedAt ?? 0) && to > call.sentAt)
    if (waited >= requestTimeoutMs || wasFrozen || seen === null) return null
    return `it was answered, and given up after ${waited} ms`
  }
  // Sent and never heard of again: whoever made it died with it, after the answer or before the request.
  const diedWithIt = kills.some(({ worker, startedAt, to }) => {
    const mayBeIts = seen === null ? startedAt <= call.sentAt : worker === seen.worker
    return mayBeIts && to >= call.sentAt && !wentOn(worker, call, seen, all)
  })
  return diedWithIt ? null : 'its end was never recorded, and no worker was killed with it in hand'
}

/** Whether the worker has recorded the end of a call that was answered later; of one made later, where this one never reached the server. */
function wentOn(worker: number, call: AuditedCall, seen: ServerCall | null, all: readonly Match[]): boolean {
  return all.some(({ server, ledger }) => {
    if (server.worker !== worker || ledger.finishedAt === null) return false
    return seen === null
      ? ledger.sentAt > call.sentAt + LATER_MS
      : (server.answeredAt ?? 0) > (seen.answeredAt ?? 0) + LATER_MS
  })
}

/** Promise 2: without an end that anybody heard there is at most one call per slot in flight and kill. */
export function tooManyWithoutEnd({ audit, kills, concurrency }: Evidence): readonly string[] {
  const orphaned = audit.calls.filter((call) => call.outcome === 'unknown' && call.finishedAt === null).length
  const atMost = kills.length * concurrency
  return orphaned > atMost
    ? [
        `${orphaned} calls have no end, and ${kills.length} kills with ${concurrency} slots explain ${atMost} of them at most`,
      ]
    : []
}

/** After the command has paused the queue, and before anything resumes it, no call may begin. */
export function callsWhilePaused({ audit, pauses }: Evidence): readonly AuditedCall[] {
  return audit.calls.filter(({ sentAt }) => pauses.some(({ from, to }) => sentAt > from && sentAt < to))
}

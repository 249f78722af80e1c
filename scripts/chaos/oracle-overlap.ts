import type { AuditedCall } from './audit.js'
import type { Evidence, Match } from './evidence.js'

/**
 * Calls of this search that reached the server while another one was open: without an end, and not old enough to be
 * given up. There must be none, even if BullMQ delivers a job twice. The server's time of arrival counts, because a
 * claim may wait long for the store, or its process may be frozen, after it has read the clock.
 */
export function overlappingCalls(
  matches: readonly Match[],
  calls: readonly AuditedCall[],
  { callMaxAgeMs }: Pick<Evidence, 'callMaxAgeMs'>,
): readonly AuditedCall[] {
  const early = matches.filter(({ server, ledger: call }) =>
    calls.some((other) => {
      const lostAt = other.sentAt + callMaxAgeMs
      const openUntil = other.finishedAt === null ? lostAt : Math.min(other.finishedAt, lostAt)
      return other.sentAt < call.sentAt && server.receivedAt < openUntil
    }),
  )
  return early.map(({ ledger }) => ledger)
}

import type { AuditedCall } from './audit.js'
import type { Evidence, Match } from './evidence.js'

/**
 * One call at a time for one search: while one may be in flight (it has no end yet, and is younger than the time after
 * which it counts as lost) no other may begin, whoever delivers the job a second time. When one began is the server's word:
 * a claim looks at the clock and may then wait for its turn in the store, or be frozen, as long as the machine likes.
 */
/** Calls of this search that reached the server while another was open. */
export function begunTooEarly(
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

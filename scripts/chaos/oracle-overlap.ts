import type { AuditedCall } from '../../src/store/audit.js'
import type { Evidence } from './evidence.js'

/**
 * One call at a time for one search: while one may be in flight (it has no end yet, and is younger than the time after
 * which it counts as lost) no other may begin, whoever delivers the job a second time.
 */
/** A claim may wait so long for its turn in the store after it has looked at the clock, ms. */
const CLAIMED_WITHIN_MS = 500

/** Calls of this search that began while another was open. */
export function begunTooEarly(
  calls: readonly AuditedCall[],
  { callMaxAgeMs, freezes, kills }: Pick<Evidence, 'callMaxAgeMs' | 'freezes' | 'kills'>,
): readonly AuditedCall[] {
  // A worker that is frozen between its look at the clock and its claim writes down a time that is long gone.
  const mayBeLate = (call: AuditedCall): boolean =>
    [...freezes, ...kills].some(({ from, to }) => to - from > CLAIMED_WITHIN_MS && Math.abs(from - call.sentAt) < 1000)
  return calls.filter((call) => {
    if (mayBeLate(call)) return false
    return calls.some((other) => {
      const lostAt = other.sentAt + callMaxAgeMs
      const openUntil = other.finishedAt === null ? lostAt : Math.min(other.finishedAt, lostAt)
      return other.sentAt < call.sentAt && call.sentAt + CLAIMED_WITHIN_MS < openUntil && !mayBeLate(other)
    })
  })
}

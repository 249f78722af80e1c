import type { CallOutcome } from '../domain/outcome.js'
import { lowerBalance } from './account.js'
import type { CallLedger, Streak } from './call-ledger.js'
import { claim } from './claim.js'
import { closeCall } from './close-call.js'
import type { Connection } from './connection.js'
import { streakMark } from './control-state.js'
import type { GroupCommit } from './group-commit.js'
import { changeOutcome, type LedgerCall } from './ledger.js'
import { refusalHistory } from './refusals.js'
import { fingerprintBytes } from './search-ref.js'

/** No circuit breaker needs a longer streak. */
const LONGEST_STREAK = 200

/**
 * The ledger: `claim` opens a call, `close` ends it. Both share commits with other changes of the
 * same event loop turn.
 */
export function callLedger(connection: Connection, group: GroupCommit): CallLedger {
  return {
    claim: async (ref, rules) => {
      // Start no call whose answer could not be stored.
      connection.files.refuseIfLost()
      return group.add(() => claim(connection, ref, rules))
    },
    close: async (callId, end) => {
      // The end of a call is written even to an open file that was deleted or replaced: it is
      // rescued from there.
      connection.files.refuseIfDamaged()
      return group.add(() => closeCall(connection, callId, end))
    },
    isOf: async (callId, { fingerprint, generation }) =>
      connection.read(
        () =>
          connection.get(
            `select 1 from call join search on search.id = call.search_id
             where call.id = ? and search.fingerprint = ? and search.generation = ?`,
            [callId, fingerprintBytes(fingerprint), generation],
          ) !== undefined,
      ),
    latest: async () =>
      connection.read(() => connection.get<{ id: number | null }>('select max(id) as id from call')?.id ?? 0),
    expire: async (sentBefore) =>
      connection.write(() => {
        const old = connection.all<LedgerCall>(
          "select id, batch_id, outcome from call where outcome = 'sent' and sent_at < ?",
          [sentBefore],
        )
        for (const call of old) {
          changeOutcome(connection, call, 'unknown')
          lowerBalance(connection)
        }
        return old.length
      }),
    sentBetween: async (from, to) =>
      connection.read(
        () =>
          connection.get<{ calls: number }>('select count(*) as calls from call where sent_at > ? and sent_at <= ?', [
            from,
            to,
          ])?.calls ?? 0,
      ),
    streak: async () => connection.read(() => streak(connection)),
    refusalHistory: async (callId) => connection.read(() => refusalHistory(connection, callId)),
  }
}

/**
 * Walks back from the newest finished call to the last answer, or to the last resume, in the order
 * in which calls were sent: the order of their ends depends on the wall clock. Rate limits neither
 * count nor end a streak. An unreadable answer counts like a refusal, since both make a dead
 * letter. A timeout is `unknown` in the ledger, because it may be paid for; for the circuit breaker
 * it is a failure like any other.
 */
function streak(connection: Connection): Streak {
  const refused = new Set<number>()
  const failed = new Set<number>()
  const unpaid = new Set<number>()
  const calls = connection.iterate<{ outcome: CallOutcome; search_id: number }>(
    `select outcome, search_id from call not indexed where finished_at is not null and id > ?
     order by id desc limit ${LONGEST_STREAK}`,
    [streakMark(connection)],
  )
  for (const { outcome, search_id } of calls) {
    if (outcome === 'answered') break
    if (outcome === 'refused' || outcome === 'unauthorized' || outcome === 'unreadable') refused.add(search_id)
    if (outcome === 'transient' || outcome === 'unknown') failed.add(search_id)
    if (outcome === 'out_of_credits') unpaid.add(search_id)
  }
  return { refusedSearches: refused.size, failedSearches: failed.size, unpaidSearches: unpaid.size }
}

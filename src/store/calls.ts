import type { RefusalHistory } from '../domain/refusals.js'
import type { SearchRef } from '../domain/search-id.js'
import { type Claim, type ClaimRules, claim } from './claim.js'
import { type CallEnd, type CallKey, closeCall } from './close-call.js'
import type { Connection, Transaction } from './engine.js'
import type { GroupCommit } from './group-commit.js'
import { countOf, giveUp, type LedgerCall, latestCall, latestFinished } from './ledger.js'
import { readMeta, writeMeta } from './meta.js'
import { refusalHistory } from './refusals.js'
import { getNumber } from './sql.js'

export interface Streak {
  readonly refusedSearches: number
  readonly failedSearches: number
  readonly unpaidSearches: number
}

export interface CallLedger {
  /**
   * Decides whether to call. Records the call as sent and charges it to the oldest batch that can
   * pay. May share a commit with other changes.
   */
  claim(ref: SearchRef, rules: ClaimRules): Promise<Claim>
  /**
   * Ends a call. Resolves once committed to disk (synchronous=FULL), maybe together with other
   * changes. Safe to repeat for the same call. `endedProbe`: this answer ended a probe.
   * @param now it may be saved long after its end
   * @throws LostSearchError if the store was restored, and has not even the search
   */
  close(call: CallKey, end: CallEnd, now: number): Promise<{ readonly endedProbe: boolean }>
  /**
   * A person has been shown the calls of unknown outcome, that many in all: from now on only later ones are
   * reported.
   */
  seeUnknown(shown: number): Promise<void>
  /** The id of the latest call. 0: no call was made. */
  latest(): Promise<number>
  /** How many calls were sent after `from`, up to and including `to`. */
  sentBetween(from: number, to: number): Promise<number>
  /** Open calls older than that become `unknown` and stay charged. Returns how many. */
  expire(sentBefore: number): Promise<number>
  /**
   * For the circuit breaker: distinct searches in the current streak of failures, newest first.
   * Counts them as refused (also unauthorized or unreadable), failed (transient or unknown), or out
   * of credits. Counting stops at an answer, and where a pause for one of these reasons was last
   * lifted (stored by `pauses.lift`). Looks at 200 calls at most.
   */
  streak(): Promise<Streak>
  /**
   * The evidence for and against a refusal of this search alone, in whatever round it is. Looks at 2,000 calls at most.
   */
  refusalHistory(search: SearchRef): Promise<RefusalHistory>
}

/**
 * The ledger: `claim` opens a call, `close` ends it. Both may share a commit with others.
 */
export function callLedger(connection: Connection, group: GroupCommit): CallLedger {
  return {
    claim: async (ref, rules) => {
      // Start no call whose answer could not be stored.
      connection.refuseIfLost()
      // Calls leave before the work on earlier answers, which only their own jobs wait for.
      return group.add((tx) => claim(tx, ref, rules), 'first')
    },
    close: (call, end, now) => group.add((tx) => closeCall(tx, call, end, now)),
    latest: () => connection.read(latestCall),
    seeUnknown: (shown) => connection.write((tx) => seeUnknown(tx, shown)),
    expire: (sentBefore) => connection.write((tx) => expire(tx, sentBefore)),
    sentBetween: (from, to) =>
      connection.read((tx) =>
        getNumber(tx, 'select count(*) as n from call where sent_at > @from and sent_at <= @to', { from, to }),
      ),
    streak: () => connection.read(streak),
    refusalHistory: (search) => connection.read((tx) => refusalHistory(tx, search)),
  }
}

/** Some of those shown may have been answered since, and another person may have been shown more. */
async function seeUnknown(tx: Transaction, shown: number): Promise<void> {
  const seen = Math.max(shown, Number(await readMeta(tx, 'unknown_seen')))
  writeMeta(tx, 'unknown_seen', Math.min(seen, await countOf(tx, 'unknown')))
}

async function expire(tx: Transaction, sentBefore: number): Promise<number> {
  const old = await tx.all<LedgerCall>(
    "select id, batch_id, outcome from call $by(call_open) where outcome = 'sent' and sent_at < @sentBefore",
    { sentBefore },
  )
  for (const call of old) giveUp(tx, call)
  return old.length
}

/**
 * Walks back from the newest finished call to the last answer, or to the last resume, in the order
 * in which calls were sent: the order of their ends depends on the wall clock. Rate limits neither
 * count nor end a streak. An unreadable answer counts like a refusal, since both make a dead
 * letter. A timeout is `unknown` in the ledger, because it may be paid for; for the circuit breaker
 * it is a failure like any other.
 */
async function streak(tx: Transaction): Promise<Streak> {
  const refused = new Set<number>()
  const failed = new Set<number>()
  const unpaid = new Set<number>()
  for (const { outcome, search_id } of await latestFinished(tx, Number(await readMeta(tx, 'streak_from')))) {
    if (outcome === 'answered') break
    if (outcome === 'refused' || outcome === 'unauthorized' || outcome === 'unreadable') refused.add(search_id)
    if (outcome === 'transient' || outcome === 'unknown') failed.add(search_id)
    if (outcome === 'out_of_credits') unpaid.add(search_id)
  }
  return { refusedSearches: refused.size, failedSearches: failed.size, unpaidSearches: unpaid.size }
}

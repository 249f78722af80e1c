import type { CallOutcome, ResponseFacts } from '../domain/outcome.js'
import { build, type Connection } from './connection.js'
import { countOf } from './ledger.js'
import type { Account, AccountRecord } from './store.js'

/** What the API last said about itself: one row. */
export function accountRecord(connection: Connection): AccountRecord {
  return {
    get: async () => connection.read(() => getAccount(connection)),
    update: async (account, now) =>
      connection.write(() => {
        const known = { ...getAccount(connection), ...withoutAbsent(account) }
        connection.execute(
          build.updateTable('account').set({
            credits_remaining: known.creditsRemaining,
            limit_per_minute: known.limitPerMinute,
            limit_per_day: known.limitPerDay,
            remaining_today: known.remainingToday,
            tier: known.tier,
            monthly_allowance: known.monthlyAllowance,
            heard_at: now,
          }),
        )
      }),
  }
}

function withoutAbsent(account: Partial<Account>): Partial<Account> {
  return Object.fromEntries(Object.entries(account).filter(([, value]) => value !== undefined))
}

function getAccount(connection: Connection): Account {
  const row = connection.first(build.selectFrom('account').selectAll())
  return {
    creditsRemaining: row?.credits_remaining ?? null,
    limitPerMinute: row?.limit_per_minute ?? null,
    limitPerDay: row?.limit_per_day ?? null,
    remainingToday: row?.remaining_today ?? null,
    tier: row?.tier ?? null,
    monthlyAllowance: row?.monthly_allowance ?? null,
    heardAt: row?.heard_at ?? null,
  }
}

/** For use inside a transaction; null: never heard of. */
export function knownBalance(connection: Connection): number | null {
  return (
    connection.get<{ credits_remaining: number | null }>('select credits_remaining from account')?.credits_remaining ??
    null
  )
}

/**
 * Folds in what came with one response. Responses overtake each other, but never by more than the calls in
 * flight, so within that the lowest wins, and every answer took a credit whether or not a later balance was
 * heard before. Anything above is a top-up and is taken as it is. Errs towards too few; GET /me puts it right.
 */
export function foldBalance(connection: Connection, said: number | null, outcome: CallOutcome, now: number): void {
  const known = knownBalance(connection)
  const heard = said ?? (outcome === 'out_of_credits' ? 0 : null)
  const folded = known === null ? heard : fold(known, heard, outcome, countOf(connection, 'sent'))
  if (folded === known && heard === null) return
  connection.run('update account set credits_remaining = ?, heard_at = ?', [folded, now])
}

function fold(known: number, heard: number | null, outcome: CallOutcome, inFlight: number): number {
  if (heard !== null && heard > known + inFlight) return heard
  const after = Math.max(0, known - (outcome === 'answered' ? 1 : 0))
  return heard === null ? after : Math.min(after, heard)
}

/** The limits that came with one response (X-RateLimit-Limit and the daily ones); what it does not say stays as it was. */
export function foldLimits(
  connection: Connection,
  said: Pick<ResponseFacts, 'limitPerMinute' | 'limitPerDay' | 'remainingToday'>,
): void {
  const { limitPerMinute, limitPerDay, remainingToday } = said
  if (limitPerMinute === null && limitPerDay === null && remainingToday === null) return
  connection.run(
    `update account set limit_per_minute = coalesce(@limitPerMinute, limit_per_minute),
       limit_per_day = coalesce(@limitPerDay, limit_per_day), remaining_today = coalesce(@remainingToday, remaining_today)`,
    { limitPerMinute, limitPerDay, remainingToday },
  )
}

import type { CallOutcome, ResponseFacts } from '../domain/outcome.js'
import { build, type Connection } from './connection.js'
import { countOf } from './ledger.js'
import type { Account, AccountStore } from './store.js'

/** What the API last reported about the account: one row. */
export function accountStore(connection: Connection): AccountStore {
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

/** For use inside a transaction. Null: no balance was ever reported. */
export function knownBalance(connection: Connection): number | null {
  return (
    connection.get<{ credits_remaining: number | null }>('select credits_remaining from account')?.credits_remaining ??
    null
  )
}

/**
 * Updates the balance from one response. Every answer reports the balance right after its own
 * credit was taken, and answers overtake each other. So the lowest balance is the latest: calls in
 * flight will still take their own credit. An answer without a balance takes one credit. A rise
 * that the overlapping calls cannot explain is a top-up, and is taken as it is. Errs towards too
 * few credits; GET /me corrects it.
 *
 * @param ended the call that was answered; `mayCost`: it took a credit, or may have, and was not
 * counted before
 */
export function foldBalance(
  connection: Connection,
  reported: number | null,
  ended: {
    readonly id: number
    readonly sentAt: number
    readonly outcome: CallOutcome
    readonly mayCost: boolean
  },
  now: number,
): void {
  const known = knownBalance(connection)
  const balance = reported ?? (ended.outcome === 'out_of_credits' ? 0 : null)
  if (balance === null) {
    if (ended.mayCost) lowerBalance(connection)
    return
  }
  const topUp = known === null || balance > known + overlapping(connection, ended)
  connection.run('update account set credits_remaining = ?, heard_at = ?', [
    topUp ? balance : Math.min(known, balance),
    now,
  ])
}

/** A credit is gone, or may be, and no balance was reported. An unknown balance stays unknown. */
export function lowerBalance(connection: Connection): void {
  connection.run(
    'update account set credits_remaining = max(0, credits_remaining - 1) where credits_remaining is not null',
  )
}

/**
 * How many other calls may have been charged after this one and reported before it: those in flight
 * now, and those that ended since it was sent.
 */
function overlapping(connection: Connection, call: { readonly id: number; readonly sentAt: number }): number {
  const ended = connection.get<{ calls: number }>(
    'select count(*) as calls from call indexed by call_finished_at where finished_at >= ? and id <> ?',
    [call.sentAt, call.id],
  )
  return countOf(connection, 'sent') + (ended?.calls ?? 0)
}

/**
 * The limits from one response (X-RateLimit-Limit and the daily ones). Absent limits keep their
 * value.
 */
export function foldLimits(
  connection: Connection,
  reported: Pick<ResponseFacts, 'limitPerMinute' | 'limitPerDay' | 'remainingToday'>,
): void {
  const { limitPerMinute, limitPerDay, remainingToday } = reported
  if (limitPerMinute === null && limitPerDay === null && remainingToday === null) return
  connection.run(
    `update account set limit_per_minute = coalesce(@limitPerMinute, limit_per_minute),
       limit_per_day = coalesce(@limitPerDay, limit_per_day), remaining_today = coalesce(@remainingToday, remaining_today)`,
    { limitPerMinute, limitPerDay, remainingToday },
  )
}

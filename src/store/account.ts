import type { CallOutcome, ResponseFacts } from '../domain/outcome.js'
import type { Connection, Transaction } from './connection.js'
import { countOf } from './ledger.js'
import type { Account, AccountStore } from './store.js'

/** What the API last reported about the account: one row. */
export function accountStore(connection: Connection): AccountStore {
  return {
    get: () => connection.read(getAccount),
    update: (account, now) =>
      connection.write(async (tx) => {
        const { heardAt: _, ...known } = { ...(await getAccount(tx)), ...withoutAbsent(account) }
        await tx.run(
          `update account set credits_remaining = @creditsRemaining, limit_per_minute = @limitPerMinute,
             limit_per_day = @limitPerDay, remaining_today = @remainingToday, tier = @tier,
             monthly_allowance = @monthlyAllowance, heard_at = @now`,
          { ...known, now },
        )
      }),
  }
}

function withoutAbsent(account: Partial<Account>): Partial<Account> {
  return Object.fromEntries(Object.entries(account).filter(([, value]) => value !== undefined))
}

async function getAccount(tx: Transaction): Promise<Account> {
  const account = await tx.get<Account>(
    `select credits_remaining as "creditsRemaining", limit_per_minute as "limitPerMinute",
       limit_per_day as "limitPerDay", remaining_today as "remainingToday", tier,
       monthly_allowance as "monthlyAllowance", heard_at as "heardAt" from account`,
  )
  if (account === undefined) throw new Error('the store has no row for the account')
  return account
}

/** Null: no balance was ever reported. */
export async function knownBalance(tx: Transaction): Promise<number | null> {
  const account = await tx.get<{ credits_remaining: number | null }>('select credits_remaining from account')
  return account?.credits_remaining ?? null
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
export async function foldBalance(
  tx: Transaction,
  reported: number | null,
  ended: {
    readonly id: number
    readonly sentAt: number
    readonly outcome: CallOutcome
    readonly mayCost: boolean
  },
  now: number,
): Promise<void> {
  const known = await knownBalance(tx)
  const balance = reported ?? (ended.outcome === 'out_of_credits' ? 0 : null)
  if (balance === null) {
    if (ended.mayCost) await lowerBalance(tx)
    return
  }
  const topUp = known === null || balance > known + (await overlapping(tx, ended))
  await tx.run('update account set credits_remaining = @balance, heard_at = @now', {
    balance: topUp ? balance : Math.min(known, balance),
    now,
  })
}

/** A credit is gone, or may be, and no balance was reported. An unknown balance stays unknown. */
export async function lowerBalance(tx: Transaction): Promise<void> {
  await tx.run('update account set credits_remaining = credits_remaining - 1 where credits_remaining > 0')
}

/**
 * How many other calls may have been charged after this one and reported before it: those in flight
 * now, and those that ended since it was sent.
 */
async function overlapping(
  tx: Transaction,
  { id, sentAt }: { readonly id: number; readonly sentAt: number },
): Promise<number> {
  const ended = await tx.get<{ calls: number }>(
    'select count(*) as calls from call indexed by call_finished_at where finished_at >= @sentAt and id <> @id',
    { id, sentAt },
  )
  return (await countOf(tx, 'sent')) + (ended?.calls ?? 0)
}

/**
 * The limits from one response (X-RateLimit-Limit and the daily ones). Absent limits keep their
 * value.
 */
export async function foldLimits(
  tx: Transaction,
  reported: Pick<ResponseFacts, 'limitPerMinute' | 'limitPerDay' | 'remainingToday'>,
): Promise<void> {
  const { limitPerMinute, limitPerDay, remainingToday } = reported
  if (limitPerMinute === null && limitPerDay === null && remainingToday === null) return
  await tx.run(
    `update account set limit_per_minute = coalesce(@limitPerMinute, limit_per_minute),
       limit_per_day = coalesce(@limitPerDay, limit_per_day), remaining_today = coalesce(@remainingToday, remaining_today)`,
    { limitPerMinute, limitPerDay, remainingToday },
  )
}

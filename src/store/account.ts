import type { Connection, Transaction } from './engine.js'
import { countOf } from './ledger.js'
import { noteLimit, noteTopUp } from './timeline.js'

export interface Account {
  readonly creditsRemaining: number | null
  readonly limitPerMinute: number | null
  readonly limitPerDay: number | null
  readonly remainingToday: number | null
  readonly tier: string | null
  readonly monthlyAllowance: number | null
  /** When any of these was last reported. */
  readonly heardAt: number | null
}

export interface AccountStore {
  get(): Promise<Account>
  /**
   * From GET /me: the balance is taken as it is. Absent fields keep their value. (`calls.close`
   * folds in the balances of answers: the lowest wins, and a rise that overlapping calls cannot
   * explain is a top-up.)
   */
  update(account: Partial<Omit<Account, 'heardAt'>>, now: number): Promise<void>
}

/** What the API last reported about the account: one row. */
export function accountStore(connection: Connection): AccountStore {
  return {
    get: () => connection.read(getAccount),
    update: (account, now) =>
      connection.write(async (tx) => {
        const before = await getAccount(tx)
        const { heardAt: _, ...known } = { ...before, ...withoutAbsent(account) }
        noteLimit(tx, before.limitPerMinute, known.limitPerMinute, now)
        if (await isTopUp(tx, before.creditsRemaining, known.creditsRemaining))
          noteTopUp(tx, before.creditsRemaining ?? 0, known.creditsRemaining ?? 0, now)
        await tx.run(
          `update account set credits_remaining = @creditsRemaining, limit_per_minute = @limitPerMinute,
             limit_per_day = @limitPerDay, remaining_today = @remainingToday, tier = @tier,
             monthly_allowance = @monthlyAllowance, heard_at = @now`,
          { ...known, now },
        )
      }),
  }
}

/** A rise of no more than the number of calls in flight and of unknown outcome is a correction, not a top-up. */
async function isTopUp(tx: Transaction, before: number | null, now: number | null): Promise<boolean> {
  if (before === null || now === null || now <= before) return false
  return now - before > (await countOf(tx, 'sent')) + (await countOf(tx, 'unknown'))
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

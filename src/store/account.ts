import { isSameApi } from '../domain/api-address.js'
import type { Connection, Transaction } from './engine.js'
import { clearMeta, metaSql, writeMeta } from './meta.js'
import { getOne } from './sql.js'
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
  /** The API that reported it to GET /me; null: not known. */
  readonly apiUrl: string | null
}

export const UNKNOWN_ACCOUNT: Account = {
  creditsRemaining: null,
  limitPerMinute: null,
  limitPerDay: null,
  remainingToday: null,
  tier: null,
  monthlyAllowance: null,
  heardAt: null,
  apiUrl: null,
}

/** A store without calls may change its API. What another one reported is not known of this one. */
export function accountAt(account: Account, apiUrl: string): Account {
  if (account.apiUrl === null || isSameApi({ address: account.apiUrl, adopted: false }, apiUrl)) return account
  return UNKNOWN_ACCOUNT
}

export interface AccountStore {
  get(): Promise<Account>
  /**
   * From GET /me: the balance is taken as it is, less what calls took meanwhile. Absent fields keep their value, if the
   * same API reported them. (`calls.close` folds in the balances of answers: the lowest wins, and a rise that
   * overlapping calls cannot explain is taken as it is.)
   * @param asked what was known when GET /me was sent
   */
  update(account: Partial<Omit<Account, 'heardAt'>>, now: number, asked?: Account): Promise<Account>
}

/** What the API last reported about the account: one row. */
export function accountStore(connection: Connection): AccountStore {
  return {
    get: () => connection.read(getAccount),
    update: (account, now, asked) =>
      connection.write(async (tx) => {
        const before = await getAccountAt(tx, account.apiUrl)
        const creditsRemaining = balanceOf(account.creditsRemaining, before, asked ?? before)
        const after = { ...before, ...withoutAbsent(account), creditsRemaining, heardAt: now }
        noteLimit(tx, before.limitPerMinute, after.limitPerMinute, now)
        if (account.creditsRemaining != null) await noteTopUp(tx, before.creditsRemaining, after.creditsRemaining, now)
        await setAccount(tx, after)
        return after
      }),
  }
}

/** An answer that came meanwhile may be the newer one of the two, and so may a call of which no balance is known. */
function balanceOf(said: number | null | undefined, before: Account, asked: Account): number | null {
  const known = before.creditsRemaining
  if (said === undefined) return known
  if (said === null || known === null) return said
  if (before.heardAt !== asked.heardAt) return Math.min(said, known)
  return Math.max(0, said - Math.max(0, (asked.creditsRemaining ?? 0) - known))
}

/** For use inside a transaction. A worker of this API starts: what another one reported is forgotten. */
export async function bindAccount(tx: Transaction, apiUrl: string): Promise<void> {
  await setAccount(tx, { ...(await getAccountAt(tx, apiUrl)), apiUrl })
}

async function getAccountAt(tx: Transaction, apiUrl: string | null | undefined): Promise<Account> {
  const account = await getAccount(tx)
  return apiUrl == null ? account : accountAt(account, apiUrl)
}

async function setAccount(tx: Transaction, { apiUrl, ...account }: Account): Promise<void> {
  await tx.run(
    `update account set credits_remaining = @creditsRemaining, limit_per_minute = @limitPerMinute,
       limit_per_day = @limitPerDay, remaining_today = @remainingToday, tier = @tier,
       monthly_allowance = @monthlyAllowance, heard_at = @heardAt`,
    { ...account },
  )
  if (apiUrl === null) clearMeta(tx, 'account_api')
  else writeMeta(tx, 'account_api', apiUrl)
}

function withoutAbsent(account: Partial<Account>): Partial<Account> {
  return Object.fromEntries(Object.entries(account).filter(([, value]) => value !== undefined))
}

function getAccount(tx: Transaction): Promise<Account> {
  return getOne<Account>(
    tx,
    `select credits_remaining as "creditsRemaining", limit_per_minute as "limitPerMinute",
       limit_per_day as "limitPerDay", remaining_today as "remainingToday", tier,
       monthly_allowance as "monthlyAllowance", heard_at as "heardAt",
       ${metaSql('account_api')} as "apiUrl"
     from account`,
  )
}

import type { Account } from '../../store/store.js'
import { pairs } from './table.js'
import { figureOr, formatDateTime } from './words.js'

export function renderAccount(account: Account, isFresh: boolean, apiUrl: string): string {
  const rows: [string, string][] = [
    ['API', apiUrl],
    ['tier', account.tier ?? 'unknown'],
    ['credits left', figureOr(account.creditsRemaining)],
    ['monthly allowance', figureOr(account.monthlyAllowance)],
    ['calls a minute', figureOr(account.limitPerMinute)],
    ['calls a day', figureOr(account.limitPerDay, 'no known limit')],
  ]
  if (account.remainingToday !== null) rows.push(['left today', figureOr(account.remainingToday)])
  if (!isFresh) rows.push(['last updated', account.heardAt === null ? 'never' : formatDateTime(account.heardAt)])
  return pairs(rows)
}
